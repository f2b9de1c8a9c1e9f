// Somebody without an institution asks to be let in, and then lets kubectl on a machine act for them. Sessions: guest, reviewer. The project is
// the guest's name.
export default async function tell(stage) {
  const { origin, person, step, fill, says } = stage;
  const nobody = await person();
  await nobody.goto(`${origin}/login`);
  await nobody.locator('a[href^="/login?provider="]').first().waitFor();
  await step(nobody, 'where to log in');
  await nobody.goto(`${origin}/logged-out`);
  await step(nobody, 'logged out');

  const guest = await person('guest');
  await guest.goto(`${origin}/me`);
  await step(guest, 'who a guest is');
  await guest.locator('main a[href="/guest"]').click();
  await fill(guest, { reason: 'Let me in' });
  await guest.locator('main form button').click();
  await guest.locator('.error-summary a').waitFor();
  await step(guest, 'too short a reason');
  await fill(guest, { reason: 'I map floods for the organisation River Watch.' });
  await guest.locator('main form button').click();
  await says(guest, 'Your request waits for a reviewer.');
  await step(guest, 'asked');

  const reviewer = await person('reviewer');
  await reviewer.goto(`${origin}/guests`);
  const asked = reviewer.locator('section', { hasText: `guests:${stage.project}` });
  await step(reviewer, 'guests');
  await asked.locator('textarea').fill('Fine.');
  await asked.locator('button[value="approve"]').click();
  await reviewer.locator('.error-summary a').waitFor();
  await step(reviewer, 'a decision without a reason');
  await asked.locator('textarea').fill('River Watch is known to us and vouches for them.');
  await asked.locator('button[value="approve"]').click();
  await asked.waitFor({ state: 'detached' });
  await step(reviewer, 'let in');

  await guest.goto(`${origin}/guest`);
  await says(guest, 'You are let in.');
  // A machine without a browser: it shows a code, and asks until somebody has allowed it.
  const machine = { client_id: 'concord-kube' };
  const post = async (path, form) => (await nobody.request.post(origin + path, { form: { ...machine, ...form } })).json();
  const code = await post('/device_authorization', {});
  await guest.goto(`${origin}/device`);
  await fill(guest, { user_code: 'WRNG-CODE' });
  await guest.locator('main form button').click();
  await guest.locator('.error-summary a').waitFor();
  await step(guest, 'a code that does not exist');
  await fill(guest, { user_code: code.user_code });
  await guest.locator('main form button').click();
  await guest.locator('button[value="allow"]').waitFor();
  await step(guest, 'who asks');
  await guest.locator('button[value="allow"]').click();
  await guest.locator('main [role="status"]').waitFor();
  await step(guest, 'allowed');
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: code.device_code };
  const token = await post('/token', grant);
  if (!token.access_token) throw new Error(`no token: ${JSON.stringify(token)}`);
}
