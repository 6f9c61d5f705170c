import type { Verb } from './verb.ts';

/** Headings of the overview, in order. */
export type VerbGroup = 'Cluster' | 'Basic' | 'Deploying' | 'Looking inside' | 'Nodes' | 'Other';

/** One line of the list of verbs. */
export interface VerbEntry {
  readonly group: VerbGroup;
  readonly summary: string;
  readonly load: () => Promise<Verb>;
}

/** Every verb there is. Its file is loaded when it is used. */
export const VERBS: Readonly<Record<string, VerbEntry>> = {
  up: {
    group: 'Cluster',
    summary: 'Start a cluster on this machine',
    load: async () => (await import('./commands/up.ts')).up,
  },
  down: {
    group: 'Cluster',
    summary: 'Stop the cluster of this machine',
    load: async () => (await import('./commands/down.ts')).down,
  },
  apply: {
    group: 'Basic',
    summary: 'Create or change objects so that they are as files say',
    load: async () => (await import('./commands/apply.ts')).apply,
  },
  get: {
    group: 'Basic',
    summary: 'Show one or many objects',
    load: async () => (await import('./commands/get.ts')).get,
  },
};
