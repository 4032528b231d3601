/**
 * Ends a CI run: what failed, by name and with what it said, and the last line, `N passed, N failed, N skipped`, from
 * the report vitest wrote. Of a long output people often see the end alone.
 */
import { readFileSync } from 'node:fs';

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { status: string; fullName: string; failureMessages: string[] }[];
  }[];
}

const [path = 'build/tests.json'] = process.argv.slice(2);
const report: Report = JSON.parse(readFileSync(path, 'utf8'));
// A file that could not be loaded, or whose set-up failed, has no failed test to count; it is a failure all the same.
const untested = report.testResults.filter(
  file => file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed'),
);
for (const file of untested) console.log(`FAILED ${file.name}\n${file.message}`);
for (const file of report.testResults) {
  for (const test of file.assertionResults) {
    if (test.status !== 'failed') continue;
    console.log(`FAILED ${file.name}: ${test.fullName}\n${test.failureMessages.join('\n')}`);
  }
}
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${report.numFailedTests + untested.length} failed, ${skipped} skipped`);
