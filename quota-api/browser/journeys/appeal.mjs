// One reviewer stands back, another refuses, the applicant appeals, and others decide on it. Sessions: applicant, recused, refuser,
// third.
import { apply, decide, review } from './apply.mjs';

export default async function tell(stage) {
  const { origin, project, person, step, until, fill, says, keepsQuietOf } = stage;
  const applicant = await person('applicant');
  const name = await apply(stage, applicant, project);
  const page = `${origin}/reviews/${name}`;

  const recused = await person('recused');
  await recused.goto(page);
  await until(recused, 'text=Held against treaty');
  await recused.locator('#recused').check();
  await fill(recused, { comment: 'I sit on their board.' });
  await recused.locator('form[action$="/review"] button').click();
  await recused.locator('.card .pill.warn').waitFor();
  await step(recused, 'recused');
  await says(recused, 'You recused yourself');
  if (await recused.locator('form[action$="/decide"]').count() > 0) throw new Error('who is recused can decide');

  const third = await person('third');
  await third.goto(page);
  await review(stage, third, 'The plan is thin.');
  const refuser = await person('refuser');
  await refuser.goto(page);
  await decide(stage, refuser, 'refuse', 'The plan does not say who does the work.');

  await until(applicant, 'text=The plan does not say who does the work.');
  await keepsQuietOf(applicant, 'The plan is thin.');
  await step(applicant, 'refused with a reason');
  await fill(applicant, { reason: 'No!' });
  await applicant.locator('form[action$="/appeal"] button').click();
  await applicant.locator('#reason-error').waitFor();
  if (await applicant.locator('#reason').inputValue() !== 'No!') throw new Error('what was typed is lost');
  await step(applicant, 'an appeal without a reason');
  await fill(applicant, { reason: 'The plan names two engineers on its last page.' });
  await applicant.locator('form[action$="/appeal"] button').click();
  await applicant.locator('form[action$="/appeal"]').waitFor({ state: 'detached' });
  await step(applicant, 'appealed');

  await refuser.goto(page);
  await until(refuser, 'text=You refused it, so somebody else decides on the appeal');
  await review(stage, refuser, 'I had not seen the last page.');
  await third.goto(page);
  await decide(stage, third, 'approve', 'The work is assigned after all.');

  await until(applicant, 'a[href^="/jobs/new"]');
  await says(applicant, 'The work is assigned after all.');
  await says(applicant, 'The plan does not say who does the work.');
  await step(applicant, 'granted on appeal');
}
