// What several stories begin with.

/** Fills the form of a reserve and submits it; the application's name. */
export async function apply({ origin, step, fill }, applicant, project) {
  await applicant.goto(`${origin}/apply`);
  await step(applicant, 'where to apply');
  await applicant.locator('form:has(input[value="public-interest"]) button').click();
  await fill(applicant, { project, title: 'Flood forecasts' });
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
  return new URL(applicant.url()).pathname.split('/').pop();
}

/** Judges the application that the page shows. */
export async function review({ step, fill }, reviewer, comment) {
  await reviewer.locator('#merit-5').check();
  await reviewer.locator('#feasibility-4').check();
  await reviewer.locator('#public_interest-5').check();
  await fill(reviewer, { comment });
  await reviewer.locator('form[action$="/review"] button').click();
  await reviewer.locator('.card', { hasText: comment }).waitFor();
  await step(reviewer, 'reviewed');
}

/** Answers the application that the page shows: `approve` or `refuse`. */
export async function decide({ step, fill }, decider, outcome, reason) {
  await decider.locator(`#${outcome}`).check();
  await fill(decider, { reason });
  await step(decider, `about to ${outcome}`);
  await decider.locator('form[action$="/decide"] button').click();
  await decider.locator(`.pill.${outcome === 'approve' ? 'good' : 'bad'}`).first().waitFor();
  await step(decider, `${outcome} sent`);
}
