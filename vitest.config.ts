import { defineConfig } from 'vitest/config';

// Three workers for the two cores of the machines this runs on: much of the suite waits for daemons.
const report = process.env.TEST_REPORT;
// The longer suites have a command of their own.
const isLong = process.env.LONG !== undefined;

export default defineConfig({
  test: {
    include: [isLong ? 'test/**/*.long.test.ts' : 'test/**/*.test.ts'],
    exclude: isLong ? [] : ['test/**/*.long.test.ts'],
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A report as JSON where somebody wants to count.
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
