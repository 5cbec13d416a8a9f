import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    // One process a file: tests of memory exhaustion and of the command line cannot disturb each other.
    pool: 'forks',
    setupFiles: ['test/support/setup.ts'],
    // So long that no test fails because the machine is busy (TIMEOUT_MS of test/support/property.ts).
    testTimeout: 300_000,
    hookTimeout: 300_000,
    unstubEnvs: true,
    restoreMocks: true,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html', 'json-summary'],
      reportsDirectory: 'coverage',
    },
  },
});
