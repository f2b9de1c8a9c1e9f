// Somebody without a login looks whether the treaty is kept, and takes the numbers home. Sessions: none.

/** Every link to the same numbers that a page has, in the formats of programs. */
async function numbers({ origin }, page, media) {
  const links = await page.locator('ul.links a').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  if (links.length === 0) throw new Error(`${page.url()} offers no numbers`);
  for (const link of links) {
    const answer = await page.request.get(origin + link);
    const kind = answer.headers()['content-type'];
    if (!answer.ok() || !media.some((wanted) => kind.startsWith(wanted))) throw new Error(`${link}: ${answer.status()} ${kind}`);
    const text = await answer.text();
    if (kind.startsWith('application/json')) JSON.parse(text);
    // Without agents nothing is measured, and there is no line to write.
    else if (text.trim().length === 0 && !link.includes('/energy')) throw new Error(`${link} is empty`);
  }
}

export default async function tell(stage) {
  const { origin, person, step, says, fill } = stage;
  const visitor = await person();
  await visitor.goto(`${origin}/`);
  await visitor.locator('.cards .figure').first().waitFor();
  await numbers(stage, visitor, ['application/json', 'text/csv']);
  await step(visitor, 'use now');
  // A chart is told in a table too, with the same sum.
  const rows = await visitor.locator('table').first().locator('tbody tr').count();
  const bars = await visitor.locator('svg[role="img"]').count();
  if (rows < 10 || bars === 0) throw new Error(`${rows} rows and ${bars} charts`);

  for (const [tab, what] of [['/use/promises', 'promised against delivered'], ['/use/waiting', 'waiting times'],
    ['/use/energy', 'energy'], ['/use/incidents', 'incidents'], ['/use/history', 'history']]) {
    await visitor.locator(`.tabs a[href="${tab}"]`).click();
    await visitor.locator(`.tabs a[href="${tab}"][aria-current="page"]`).waitFor();
    await numbers(stage, visitor, ['application/json', 'text/csv']);
    await step(visitor, what);
  }
  await fill(visitor, { span: 'week', by: 'class' });
  await visitor.locator('.filters button').click();
  await visitor.waitForURL('**/use/history?span=week&by=class*');
  const link = visitor.url();
  await visitor.locator('details summary').click();
  await visitor.locator('details table tbody tr').first().waitFor();
  await step(visitor, 'a week by class');

  // The address alone brings somebody else to the same picture, in their language.
  const friend = await person();
  await friend.goto(link);
  await friend.locator('.site-footer a[lang="ar"]').click();
  await friend.locator('html[lang="ar"][dir="rtl"]').waitFor();
  if (new URL(friend.url()).search !== new URL(link).search) throw new Error(`${friend.url()} is not ${link}`);
  if (await friend.locator('#by').inputValue() !== 'class') throw new Error('another choice than in the address');
  await step(friend, 'the same in arabic');

  await visitor.locator('.site-header a[href="/treaty"]').click();
  await visitor.locator('a[href^="#guarantee/"]').first().click();
  await visitor.locator('span:target').waitFor();
  await numbers(stage, visitor, ['application/json', 'application/yaml']);
  await step(visitor, 'the clause of a guarantee');
  await visitor.locator('.tabs a[href="/treaty/history"]').click();
  await visitor.locator('tbody a').first().click();
  await visitor.locator('pre.diff ins').first().waitFor();
  await step(visitor, 'what changed in the treaty');

  await visitor.locator('.site-footer a[href="/api"]').click();
  await says(visitor, '/api/v1/use/history');
  const left = (await visitor.context().cookies()).map(({ name }) => name);
  if (left.length > 0) throw new Error(`a visitor who chose nothing is left with cookies: ${left}`);
}
