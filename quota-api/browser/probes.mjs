// What a page is held against: axe-core's rules, and what no rule set covers: nothing is cut off, nothing overlaps the window, and
// the keyboard reaches everything visibly.

/** One line for each rule that the page breaks; `axe` is the text of the rules' program. */
export async function axeFindings(page, axe) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
    resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  return violations.map(({ id, nodes }) => `axe ${id}: ${nodes.length}× ${nodes[0].target} ${nodes[0].failureSummary?.replaceAll(/\s+/g, ' ')}`);
}

/** Runs in the page. Regions with a scroll bar of their own may be wider than the window; the page may not. */
export function layout() {
  const findings = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const widest = [...document.body.querySelectorAll('*')].filter((element) => {
      const box = element.getBoundingClientRect();
      const inside = element.closest('.wide, .code, svg, .visually-hidden, .skip');
      return !inside && box.width > 0 && (box.right > root.clientWidth + 1 || box.left < -1);
    });
    const name = widest.length > 0 ? `${widest[0].tagName.toLowerCase()}.${widest[0].className}` : 'something';
    findings.push(`layout: ${root.scrollWidth} wide in a window of ${root.clientWidth}; ${name}`);
  }
  for (const region of document.querySelectorAll('.wide, .code')) {
    if (region.scrollWidth > region.clientWidth && region.tabIndex < 0) findings.push('layout: a region scrolls but the keyboard cannot reach it');
  }
  for (const text of document.querySelectorAll('h1, h2, h3, p, a, button, label, dt, dd')) {
    const hidden = getComputedStyle(text).overflow !== 'visible' && text.scrollWidth > text.clientWidth + 1;
    if (hidden && !text.matches('.visually-hidden, .skip')) findings.push(`layout: text is cut off: ${text.textContent.slice(0, 40)}`);
  }
  return findings;
}

/** Most stops that are looked at. */
const STOPS_MAX = 60;

/** Walks through the page with the tab key: each stop must be seen to have the focus, and stand inside the window. */
export async function keyboard(page) {
  const findings = [];
  let before = '';
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    await page.keyboard.press('Tab');
    const seen = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      const name = `${element.tagName.toLowerCase()} "${(element.textContent || element.name || element.id).trim().slice(0, 30)}"`;
      return {
        name: `${name} ${Math.round(box.x)},${Math.round(box.y)}`,
        outlined: style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2,
        inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
      };
    });
    if (!seen) break;
    if (seen.name === before) findings.push(`keyboard: stuck at ${seen.name}`);
    if (!seen.outlined) findings.push(`keyboard: the focus is not seen on ${seen.name}`);
    if (!seen.inside) findings.push(`keyboard: the focus is outside the window on ${seen.name}`);
    before = seen.name;
  }
  if (before === '') findings.push('keyboard: nothing can be reached');
  return findings;
}
