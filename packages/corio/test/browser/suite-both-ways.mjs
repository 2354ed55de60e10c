import { runSuite } from "../public/harness.mjs";

/** Runs the public suite from first to last and from last to first: a test that needs or minds another one shows. */
export async function runBothWays() {
  const results = [];
  await runSuite((result) => results.push(result));
  await runSuite((result) => results.push({ ...result, title: `${result.title} (backwards)` }), { backwards: true });
  return results;
}
