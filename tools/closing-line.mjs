// Turns vitest's JSON summary into the closing line of .ci/run; fails when a test failed, was skipped, or none ran.
import { readFileSync } from 'node:fs';

/**
 * @typedef {{ status: string, fullName: string }} Assertion
 * @typedef {{ success: boolean, numPassedTests: number, numFailedTests: number, numPendingTests: number,
 *   numTodoTests: number, testResults: { assertionResults: Assertion[] }[] }} Summary
 */

const path = process.argv[2];
if (path === undefined) throw new Error('closing-line: name the summary file');
const summary = /** @type {Summary} */ (JSON.parse(readFileSync(path, 'utf8')));
const passed = summary.numPassedTests;
const failed = summary.numFailedTests;
const skipped = summary.numPendingTests + summary.numTodoTests;
const line = `${passed} passed, ${failed} failed, ${skipped} skipped`;

if (summary.success && failed === 0 && skipped === 0 && passed > 0) {
  console.log(line);
} else {
  for (const file of summary.testResults) {
    for (const test of file.assertionResults)
      if (test.status !== 'passed') console.error(`${test.status}: ${test.fullName}`);
  }
  console.error(`refused: ${line}; in CI nothing may fail and nothing may be skipped`);
  process.exitCode = 1;
}
