import { defineConfig } from 'vitest/config';

/**
 * A suite whose files run whole clusters or real containers: one file at a time, and after what kills and stalls things. Groups run
 * one after another in the order given.
 */
function serial(name: string, order: number) {
  return {
    name,
    include: [`test/${name}/**/*.test.ts`],
    globalSetup: 'test/harness/sweep.ts',
    maxWorkers: 1,
    fileParallelism: false,
    sequence: { groupOrder: order },
    // Real clusters on a busy machine: one more try, which the report names, tells a fault from a stall.
    retry: 1,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  };
}

export default defineConfig({
  test: {
    maxWorkers: 4,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{proto,lib,control-plane,node-agent,cli,build,manifests}/**/*.test.ts', 'test/*.test.ts'],
          sequence: { groupOrder: 0 },
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      { extends: true, test: serial('integration', 2) },
      { extends: true, test: serial('e2e', 3) },
      { extends: true, test: serial('faults', 4) },
    ],
  },
});
