// Prints the closing line of the test run: `N passed, N failed[, N skipped]`, the checks beside the tests included.
// Usage: node build/test-totals.mjs <vitest json report> <checks passed> <checks failed> <vitest exit status>
import { readFileSync } from 'node:fs';

const [file, checksPassed, checksFailed, status] = process.argv.slice(2);
let report;
try {
  report = JSON.parse(readFileSync(file, 'utf8'));
} catch {
  report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
}
const passed = report.numPassedTests + Number(checksPassed);
let failed = report.numFailedTests + Number(checksFailed);
// A file that could not be loaded, or an error outside any test, fails the run without failing a test.
if (failed === 0 && (status !== '0' || report.numPassedTests === 0)) failed = 1;
const skipped = report.numPendingTests + report.numTodoTests;
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
