// A project's way through the portal in a real Chromium: apply, be reviewed by two, be approved, submit a job, watch it to its end,
// cite it. Prints a line for each step; takes a picture of each page; exits with 1 where a step does not lead on.
//
//   node journey.mjs --out FOLDER --origin URL --applicant COOKIE --reviewer COOKIE --decider COOKIE [--script off] --project NAME
//
// The cookies are name=value of three open sessions.
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    origin: { type: 'string' },
    project: { type: 'string' },
    applicant: { type: 'string' },
    reviewer: { type: 'string' },
    decider: { type: 'string' },
    script: { type: 'string', default: 'on' },
    modules: { type: 'string', default: import.meta.dirname },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
  },
});
const require = createRequire(join(resolve(options.modules), 'package.json'));
const { chromium } = require('playwright-core');
mkdirSync(options.out, { recursive: true });

/** The operator, the watches and the simulated pods need seconds. */
const PATIENCE_MILLISECONDS = 60_000;

const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

async function person(cookie) {
  const context = await browser.newContext({ javaScriptEnabled: options.script === 'on', viewport: { width: 360, height: 800 } });
  const [name, value] = cookie.split('=');
  await context.addCookies([{ name, value, url: options.origin }]);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MILLISECONDS);
  return page;
}

let count = 0;
async function step(page, what) {
  count += 1;
  await page.screenshot({ path: join(options.out, `${String(count).padStart(2, '0')}-${what.replaceAll(/[^a-z]+/gi, '-')}.png`), fullPage: true });
  console.log(`${count} ${what}: ${new URL(page.url()).pathname}`);
}

/** Loads the page again until it shows that: without script nothing changes by itself. */
async function until(page, selector) {
  const end = Date.now() + PATIENCE_MILLISECONDS;
  while (await page.locator(selector).count() === 0) {
    if (Date.now() > end) throw new Error(`${page.url()} never showed ${selector}: ${await page.locator('main').innerText()}`);
    await page.waitForTimeout(300);
    await page.reload();
  }
}

async function fill(page, fields) {
  for (const [id, value] of Object.entries(fields)) {
    const field = page.locator(`[id="${id}"]`);
    if (await field.evaluate((element) => element.tagName) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
}

try {
  const applicant = await person(options.applicant);
  await applicant.goto(`${options.origin}/apply`);
  await step(applicant, 'where to apply');
  await applicant.locator('form:has(input[value="public-interest"]) button').click();
  await fill(applicant, { project: options.project, title: 'Flood forecasts' });
  await applicant.locator('button[value="check"]').click();
  await applicant.locator('.error-summary a').first().waitFor();
  await step(applicant, 'what is missing');
  await fill(applicant, {
    kind: 'New', summary: 'Forecasts for towns on small rivers.', organisation: 'River Watch', organisation_kind: 'ngo',
    country: 'FI', party: 'public-interest', gpu_hours: '1000', most_gpus: '2', days: '30', purpose: 'civil',
    justification: 'We train a model on gauges and radar.',
  });
  await applicant.locator('#terms').check();
  await applicant.locator('button[value="submit"]').click();
  await applicant.waitForURL('**/apply/app-*');
  await step(applicant, 'submitted');
  const name = new URL(applicant.url()).pathname.split('/').pop();

  const reviewer = await person(options.reviewer);
  await reviewer.goto(`${options.origin}/reviews`);
  await step(reviewer, 'queue');
  await reviewer.locator(`a[href="/reviews/${name}"]`).click();
  await reviewer.locator('#merit-5').check();
  await reviewer.locator('#feasibility-4').check();
  await reviewer.locator('#public_interest-5').check();
  await fill(reviewer, { comment: 'Sound data, modest ask.' });
  await reviewer.locator('form[action$="/review"] button').click();
  await reviewer.locator('.card h3').first().waitFor();
  await step(reviewer, 'reviewed');

  const decider = await person(options.decider);
  await decider.goto(`${options.origin}/reviews/${name}`);
  await decider.locator('#approve').check();
  await fill(decider, { reason: 'Useful for the public and well planned.' });
  await step(decider, 'about to decide');
  await decider.locator('form[action$="/decide"] button').click();
  await decider.locator('.pill.good').first().waitFor();
  await step(decider, 'approved');

  await until(applicant, 'a[href^="/jobs/new"]');
  await step(applicant, 'project ready');
  await applicant.locator(`a[href="/jobs/new?project=${options.project}"]`).click();
  await fill(applicant, { name: 'first-run', image: 'registry.example/train:1', 'gpus-per-pod': '1', 'run-limit': '1h' });
  await applicant.locator('button[value="check"]').click();
  await applicant.locator('button[value="submit"]').waitFor();
  await step(applicant, 'what the job will cost');
  await applicant.locator('button[value="submit"]').click();
  await applicant.waitForURL(`**/projects/${options.project}/jobs/first-run*`);
  await step(applicant, 'job page');
  if (options.script === 'on') await applicant.locator('#live-state[data-tone="good"]').waitFor();
  else await until(applicant, '#live-state[data-tone="good"]');
  await step(applicant, 'finished');
  await applicant.goto(`${options.origin}/projects/${options.project}/jobs/first-run/cite`);
  await applicant.locator('pre, blockquote, .code').first().waitFor();
  await step(applicant, 'cited');

  const visitor = await (await browser.newContext({ javaScriptEnabled: options.script === 'on' })).newPage();
  await visitor.goto(`${options.origin}/awards`);
  await visitor.locator(`tr[id="${name}"]`).waitFor();
  await step(visitor, 'award for everybody');
  if ((await visitor.locator('body').innerText()).includes('demo:')) throw new Error('a person is named on a public page');
} catch (failure) {
  console.error(failure);
  process.exitCode = 1;
}
await browser.close();
