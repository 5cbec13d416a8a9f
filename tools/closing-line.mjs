// Turns vitest's JSON summary into the closing line of .ci/run. Fails when a test failed or was
// skipped, or when none ran. Only a test whose name ends in (mounts) may be skipped: it needs root
// and loop devices, which CI may not give.
import { readFileSync } from 'node:fs';

/**
 * @typedef {{ status: string, fullName: string }} Assertion
 * @typedef {{ success: boolean, numPassedTests: number, numFailedTests: number, numPendingTests:
 *   number, numTodoTests: number, testResults: { assertionResults: Assertion[] }[] }} Summary
 */

const path = process.argv[2];
if (path === undefined) throw new Error('closing-line: name the summary file');
const summary = /** @type {Summary} */ (JSON.parse(readFileSync(path, 'utf8')));
const passed = summary.numPassedTests;
const failed = summary.numFailedTests;
const skipped = summary.numPendingTests + summary.numTodoTests;
const line = `${passed} passed, ${failed} failed, ${skipped} skipped`;
const tests = summary.testResults.flatMap(({ assertionResults }) => assertionResults);
const allowed = tests.filter(({ status, fullName }) => status === 'skipped' && fullName.endsWith(' (mounts)'));

if (summary.success && failed === 0 && skipped === allowed.length && passed > 0) {
  for (const { fullName } of allowed) console.error(`skipped, no mount of an image here: ${fullName}`);
  console.log(line);
} else {
  for (const { status, fullName } of tests) if (status !== 'passed') console.error(`${status}: ${fullName}`);
  console.error(`refused: ${line}; in CI nothing may fail, and nothing be skipped but tests that mount`);
  process.exitCode = 1;
}
