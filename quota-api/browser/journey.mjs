// Several people's way through the portal in a real Chromium. Prints a line for each step, takes a picture of it, and holds it
// against axe-core and the probes, also where only a form leads to the page; exits with 1 where a step does not lead on or
// anything was found.
//
//   node journey.mjs STORY --out FOLDER --origin URL [--session NAME=COOKIE]... [--project NAME] [--script off]
//
// STORY is a file of journeys/: project, appeal, guest or visitor. A cookie is name=value of an open session; each story says whose it needs.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launch } from './launch.mjs';
import { axeFindings, layout } from './probes.mjs';

const { values: options, positionals: [story] } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' },
    origin: { type: 'string' },
    project: { type: 'string', default: '' },
    session: { type: 'string', multiple: true, default: [] },
    script: { type: 'string', default: 'on' },
    modules: { type: 'string', default: import.meta.dirname },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
  },
});
const { default: tell } = await import(`./journeys/${story}.mjs`);
mkdirSync(options.out, { recursive: true });

/** The operator, the watches and the simulated pods need seconds. */
const PATIENCE_MILLISECONDS = 60_000;
const PHONE = { width: 360, height: 800 };

const { browser, axe } = await launch(options);

const sessions = new Map(options.session.map((pair) => {
  const [name, ...cookie] = pair.split('=');
  return [name, cookie.join('=')];
}));
/** What went wrong on any page without stopping anybody. */
const troubles = [];
let count = 0;

/** What stories are told with. */
const stage = {
  origin: options.origin,
  project: options.project,
  hasScript: options.script === 'on',

  /** A new page of somebody with that session, or of a stranger. */
  async person(name) {
    const context = await browser.newContext({ javaScriptEnabled: stage.hasScript, viewport: PHONE });
    if (name) {
      const [cookie, value] = sessions.get(name).split('=');
      await context.addCookies([{ name: cookie, value, url: options.origin }]);
    }
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MILLISECONDS);
    page.on('pageerror', (error) => troubles.push(`${page.url()}: ${error.message}`));
    page.on('request', (request) => {
      if (!request.url().startsWith(options.origin)) troubles.push(`${page.url()} asks ${request.url()}`);
    });
    return page;
  },

  async step(page, what) {
    count += 1;
    const file = `${String(count).padStart(2, '0')}-${what.replaceAll(/[^a-z]+/gi, '-')}.png`;
    await page.screenshot({ path: join(options.out, file), fullPage: true });
    console.log(`${story} ${count} ${what}: ${new URL(page.url()).pathname}`);
    // Rules that wait for something never come back where scripts are off; the pages are the same.
    const found = [...(stage.hasScript ? await axeFindings(page, axe) : []), ...await page.evaluate(layout)];
    troubles.push(...found.map((finding) => `${story} ${count} ${what}: ${finding}`));
  },

  /** Loads the page again until it shows that: without script nothing changes by itself. */
  async until(page, selector) {
    const end = Date.now() + PATIENCE_MILLISECONDS;
    while (await page.locator(selector).count() === 0) {
      if (Date.now() > end) throw new Error(`${page.url()} never showed ${selector}: ${await page.locator('main').innerText()}`);
      await page.waitForTimeout(300);
      await page.reload();
    }
  },

  async fill(page, fields) {
    for (const [id, value] of Object.entries(fields)) {
      const field = page.locator(`[id="${id}"]`);
      if (await field.evaluate((element) => element.tagName) === 'SELECT') await field.selectOption(value);
      else await field.fill(value);
    }
  },

  /** Fails unless the page says that. */
  async says(page, text) {
    const shown = await page.locator('body').innerText();
    if (!shown.includes(text)) throw new Error(`${page.url()} does not say "${text}": ${shown}`);
  },

  /** Fails when the page says that. */
  async keepsQuietOf(page, text) {
    if ((await page.locator('body').innerText()).includes(text)) throw new Error(`${page.url()} says "${text}"`);
  },
};

try {
  await tell(stage);
  if (troubles.length > 0) throw new Error(troubles.join('\n'));
} catch (failure) {
  console.error(failure);
  process.exitCode = 1;
}
await browser.close();
