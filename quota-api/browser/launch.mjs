// A real Chromium, and the modules by which pages are held against rules.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

/** `modules` is the folder with package.json and node_modules, `chromium` the program. */
export async function launch({ modules, chromium: executablePath }) {
  const require = createRequire(join(resolve(modules), 'package.json'));
  const { chromium } = require('playwright-core');
  const browser = await chromium.launch({
    executablePath,
    // Nothing but the pages is asked of the network.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  return { browser, axe: readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'), require };
}
