/** Prints the last line of a CI run, `N passed, N failed, N skipped`, from the report vitest wrote. */
import { readFileSync } from 'node:fs';

const [file = 'build/tests.json'] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
const skipped = report.numPendingTests + report.numTodoTests;
// A file that could not even be loaded has no tests to count; it is a failure all the same.
const unloaded = report.testResults.filter(
  (each: { status: string; assertionResults: unknown[] }) =>
    each.status === 'failed' && each.assertionResults.length === 0,
).length;
console.log(`${report.numPassedTests} passed, ${report.numFailedTests + unloaded} failed, ${skipped} skipped`);
