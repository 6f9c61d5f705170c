import { defineConfig } from 'vitest/config';

/** The suites, from the quickest to the ones that run whole clusters. Files of the last three run one at a time. */
const serial = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    maxWorkers: 4,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{proto,lib,control-plane,node-agent,cli,build,manifests}/**/*.test.ts', 'test/*.test.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'contract', include: ['test/contract/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
      },
      { extends: true, test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...serial } },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...serial } },
      { extends: true, test: { name: 'faults', include: ['test/faults/**/*.test.ts'], ...serial } },
    ],
  },
});
