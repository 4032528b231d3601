import { defineConfig } from 'vitest/config';

// The counts file is what .ci/run prints last. Two workers: the machines this runs on have two cores.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    reporters: process.env.CI ? ['default', ['json', { outputFile: 'build/tests.json' }]] : ['default'],
  },
});
