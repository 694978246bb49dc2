import { defineConfig } from 'vitest/config';

/**
 * Two projects: `unit` runs from the sources; `built` spawns the command line or real workers, and
 * builds first when a source changed (test/build.ts).
 */
const BUILT = ['test/**/*.built.test.ts'];
const shared = {
  env: { NOKV_INVARIANTS: '1' },
  pool: 'forks',
  testTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: 'unit', include: ['test/**/*.test.ts'], exclude: BUILT } },
      { test: { ...shared, name: 'built', include: BUILT, globalSetup: ['test/build.ts'] } },
    ],
  },
});
