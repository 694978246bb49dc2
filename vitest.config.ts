import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    env: { NOKV_INVARIANTS: '1' },
    pool: 'forks',
    testTimeout: 60_000,
  },
});
