// A second OpenID provider, written by others (npm oidc-provider), with the same people as the Go one. For tests only.
// node server.mjs PORT PORTAL-ORIGIN NAME SECRET PEOPLE-FILE
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

const [port, portal, name, secret, file] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const people = JSON.parse(readFileSync(file, 'utf8'));
// Sessions of each person at the portal, by which it is told that they have ended.
const sessions = new Map();

const key = () => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  use: 'sig', alg: 'ES256', kid: crypto.randomUUID(),
});

// Everything but the keys is the same for each instance; what it knows is in a memory that instances share.
function start(keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: 'concord',
      client_secret: secret,
      redirect_uris: [`${portal}/callback/${name}`],
      post_logout_redirect_uris: [`${portal}/`],
      backchannel_logout_uri: `${portal}/backchannel-logout`,
      backchannel_logout_session_required: true,
      id_token_signed_response_alg: 'ES256',
    }],
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    cookies: { keys: ['test only'] },
    scopes: ['openid', 'profile', 'email'],
    claims: {
      openid: ['sub', 'acr'],
      email: ['email', 'email_verified'],
      profile: ['name', 'groups', 'eduperson_assurance'],
    },
    acrValues: ['https://refeds.org/profile/mfa'],
    findAccount: (_, id) => {
      const person = people.find((one) => one.id === id);
      return person && {
        accountId: id,
        claims: () => ({
          sub: id, name: person.name, email: person.email, email_verified: person.emailVerified,
          groups: person.groups, eduperson_assurance: person.assurance, acr: person.acr,
        }),
      };
    },
    // Nobody is asked for consent.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: 'concord', accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile email');
      await grant.save();
      return grant;
    },
  });
  provider.on('authorization.success', (ctx) => {
    const { accountId } = ctx.oidc.session;
    sessions.set(accountId, [...(sessions.get(accountId) ?? []), ctx.oidc.session.sidFor('concord')]);
  });
  return provider;
}

let keys = [key()];
let provider = start(keys);

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

async function interaction(request, response) {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html');
    response.end(`<form method="post" action="${request.url}"><input name="username"><input name="password" type="password"><button>Log in</button></form>`);
    return;
  }
  const typed = await body(request);
  const person = people.find((one) => one.username === typed.get('username') && one.password === typed.get('password'));
  const login = person && { login: { accountId: person.id, acr: person.acr } };
  const refusal = { error: 'access_denied', error_description: 'unknown user or wrong password' };
  await provider.interactionFinished(request, response, login ?? refusal);
}

// What an administrator of a provider does.
async function operate(url) {
  if (url.pathname === '/operations/rotate') {
    keys = [key(), ...keys].slice(0, 2);
    provider = start(keys);
    return;
  }
  const client = await provider.Client.find('concord');
  const subject = url.searchParams.get('subject');
  for (const sid of sessions.get(subject) ?? []) await client.backchannelLogout(subject, sid);
  sessions.delete(subject);
}

createServer((request, response) => {
  const url = new URL(request.url, issuer);
  const failed = (error) => { response.statusCode = 502; response.end(String(error?.stack ?? error)); };
  if (url.pathname.startsWith('/interaction/')) {
    interaction(request, response).catch(failed);
  } else if (url.pathname.startsWith('/operations/')) {
    operate(url).then(() => response.end('done'), failed);
  } else {
    provider.callback()(request, response);
  }
}).listen(Number(port), '127.0.0.1');
