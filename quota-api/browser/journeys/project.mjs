// Apply, be reviewed by two, be approved, submit a job, watch it to its end, cite it. Sessions: applicant, reviewer, decider.
import { apply, decide, review } from './apply.mjs';

export default async function tell(stage) {
  const { origin, project, person, step, until, fill } = stage;
  const applicant = await person('applicant');
  const name = await apply(stage, applicant, project);

  const reviewer = await person('reviewer');
  await reviewer.goto(`${origin}/reviews`);
  await step(reviewer, 'queue');
  await reviewer.locator(`a[href="/reviews/${name}"]`).click();
  await review(stage, reviewer, 'Sound data, modest ask.');

  const decider = await person('decider');
  await decider.goto(`${origin}/reviews/${name}`);
  await decide(stage, decider, 'approve', 'Useful for the public and well planned.');

  await until(applicant, 'a[href^="/jobs/new"]');
  await step(applicant, 'project ready');
  await applicant.locator(`a[href="/jobs/new?project=${project}"]`).click();
  await fill(applicant, { name: 'first-run', image: 'registry.example/train:1', 'gpus-per-pod': '1', 'run-limit': '1h' });
  await applicant.locator('button[value="check"]').click();
  await applicant.locator('button[value="submit"]').waitFor();
  await step(applicant, 'what the job will cost');
  await applicant.locator('button[value="submit"]').click();
  await applicant.waitForURL(`**/projects/${project}/jobs/first-run*`);
  await step(applicant, 'job page');
  if (stage.hasScript) await applicant.locator('#live-state[data-tone="good"]').waitFor();
  else await until(applicant, '#live-state[data-tone="good"]');
  await step(applicant, 'finished');
  await applicant.goto(`${origin}/projects/${project}/jobs/first-run/cite`);
  await applicant.locator('pre, blockquote, .code').first().waitFor();
  await step(applicant, 'cited');

  const visitor = await person();
  await visitor.goto(`${origin}/awards`);
  await visitor.locator(`tr[id="${name}"]`).waitFor();
  await step(visitor, 'award for everybody');
  await stage.keepsQuietOf(visitor, 'demo:');
}
