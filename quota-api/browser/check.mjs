// Opens pages in a real Chromium and checks them: axe-core, IBM Equal Access, the HTML validator, and what no rule set
// covers. Prints one line for each finding; exits with 1 when there is any.
//
//   node check.mjs --out FOLDER [--modules FOLDER] [--cookie name=value] URL...
//
// --modules is the folder with package.json and node_modules (default: beside this file); --cookie may be repeated and logs in.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launch } from './launch.mjs';
import { axeFindings, keyboard, layout } from './probes.mjs';

const { values: options, positionals: addresses } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' },
    modules: { type: 'string', default: import.meta.dirname },
    cookie: { type: 'string', multiple: true, default: [] },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
  },
});
if (!options.out || addresses.length === 0) {
  console.error('usage: node check.mjs --out FOLDER [--modules FOLDER] [--cookie name=value] URL...');
  process.exit(2);
}
const { browser, axe, require } = await launch(options);
const equalAccess = readFileSync(require.resolve('accessibility-checker-engine/ace.js'), 'utf8');
const validator = join(resolve(options.modules), 'node_modules/vnu-jar/build/dist/vnu.jar');

const WIDTHS = [360, 1280];
const SCHEMES = ['light', 'dark'];
const LANGUAGES = ['en', 'ar'];
/** 400 % of a window of 1280 (WCAG 1.4.10). */
const ZOOMED = 320;
/** What a page may take to be there. */
const LOAD_MILLISECONDS = 20_000;

mkdirSync(options.out, { recursive: true });
const findings = [];
const found = (where, what) => {
  findings.push({ where, what });
  console.log(`${where}: ${what}`);
};

const slug = (address) => (new URL(address).pathname + new URL(address).search).replaceAll(/[^a-z0-9]+/gi, '-').replaceAll(/^-|-$/g, '') || 'front';
const withLanguage = (address, language) => {
  const url = new URL(address);
  url.searchParams.set('lang', language);
  return url.href;
};
const cookies = (address) => options.cookie.map((pair) => {
  const [name, ...value] = pair.split('=');
  return { name, value: value.join('='), url: new URL(address).origin };
});

/** One page as one visitor sees it. */
async function open(address, { width, scheme = 'light', media, forcedColors, script = true }) {
  const context = await browser.newContext({
    viewport: { width, height: 900 }, colorScheme: scheme, forcedColors, javaScriptEnabled: script,
    reducedMotion: 'reduce',
  });
  await context.addCookies(cookies(address));
  const page = await context.newPage();
  page.setDefaultTimeout(LOAD_MILLISECONDS);
  if (media) await page.emulateMedia({ media });
  const trouble = [];
  page.on('console', (message) => {
    // That an error page is one is no trouble of the page.
    const isAnswer = message.location().url === address && message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) trouble.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => trouble.push(`script: ${error.message}`));
  page.on('request', (request) => {
    const host = new URL(request.url()).host;
    if (host !== new URL(address).host && !request.url().startsWith('data:')) trouble.push(`asks another host: ${host}`);
  });
  const answer = await page.goto(address, { waitUntil: 'load' });
  if (answer.status() >= 500) trouble.push(`answered ${answer.status()}`);
  return { context, page, trouble };
}

async function equalAccessFindings(page) {
  await page.evaluate(equalAccess);
  const results = await page.evaluate(async () => {
    const report = await new globalThis.ace.Checker().check(document, ['WCAG_2_2']);
    return report.results.filter(({ value }) => value[0] === 'VIOLATION' && value[1] === 'FAIL')
      .map(({ ruleId, message, path }) => ({ ruleId, message, path: path.dom }));
  });
  return results.map(({ ruleId, message, path }) => `Equal Access ${ruleId}: ${message} ${path}`);
}

const documents = [];

/** Everything about one page. */
async function check(address) {
  for (const language of LANGUAGES) {
    const here = withLanguage(address, language);
    for (const width of WIDTHS) {
      for (const scheme of SCHEMES) {
        const where = `${new URL(address).pathname} ${language} ${width} ${scheme}`;
        const { context, page, trouble } = await open(here, { width, scheme });
        const checks = [await axeFindings(page, axe), await equalAccessFindings(page), await page.evaluate(layout)];
        if (scheme === 'light') checks.push(await keyboard(page));
        for (const what of [...trouble, ...checks.flat()]) found(where, what);
        const name = [slug(address), language, width, scheme].join('-');
        await page.evaluate(() => { document.activeElement?.blur(); globalThis.scrollTo(0, 0); });
        await page.screenshot({ path: join(options.out, `${name}.png`), fullPage: true });
        await context.close();
      }
    }
    const zoomed = await open(here, { width: ZOOMED, script: true });
    for (const what of await zoomed.page.evaluate(layout)) found(`${new URL(address).pathname} ${language} ${ZOOMED}`, what);
    await zoomed.context.close();
    // The text as it was sent; checkers leave marks in what the browser made of it.
    const visitor = await browser.newContext();
    await visitor.addCookies(cookies(address));
    const file = join(options.out, `${slug(address)}-${language}.html`);
    writeFileSync(file, await (await visitor.request.get(here)).text());
    await visitor.close();
    documents.push({ file, where: `${new URL(address).pathname} ${language}` });
  }
  // As printed and with forced colours: to be looked at.
  for (const [name, as] of Object.entries({ print: { media: 'print' }, forced: { forcedColors: 'active' } })) {
    const { context, page } = await open(withLanguage(address, 'en'), { width: 1280, ...as });
    await page.screenshot({ path: join(options.out, `${slug(address)}-${name}.png`), fullPage: true });
    await context.close();
  }
}

// Two at a time: a page waits more than it computes.
const waiting = [...addresses];
await Promise.all([1, 2].map(async () => {
  for (let address = waiting.shift(); address; address = waiting.shift()) await check(address);
}));
await browser.close();

/** The validator prints its messages and exits with 1 when there are any. */
function validated(files) {
  try {
    execFileSync('java', ['-jar', validator, '--format', 'json', '--stdout', ...files], { encoding: 'utf8', maxBuffer: 1 << 26 });
    return [];
  } catch (failure) {
    return JSON.parse(failure.stdout).messages;
  }
}
for (const message of validated(documents.map(({ file }) => file))) {
  const of = documents.find(({ file }) => message.url?.endsWith(file.split('/').pop()));
  if (message.type === 'error' || message.subType === 'warning') {
    found(of?.where ?? message.url, `HTML ${message.lastLine}: ${message.message} ${message.extract?.replaceAll(/\s+/g, ' ')}`);
  }
}
writeFileSync(join(options.out, 'findings.json'), JSON.stringify(findings, null, 1));
console.log(`${findings.length} findings on ${addresses.length} pages`);
process.exit(findings.length === 0 ? 0 : 1);
