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
    summary: 'Bring up a one-node cluster on this machine',
    load: async () => (await import('./commands/up.ts')).up,
  },
  down: {
    group: 'Cluster',
    summary: 'Stop the cluster of this machine',
    load: async () => (await import('./commands/down.ts')).down,
  },
  token: {
    group: 'Cluster',
    summary: 'Make, list and remove tokens by which machines join',
    load: async () => (await import('./commands/token.ts')).token,
  },
  join: {
    group: 'Cluster',
    summary: 'Make this machine a node of a cluster',
    load: async () => (await import('./commands/join.ts')).join,
  },
  leave: {
    group: 'Cluster',
    summary: 'Take this machine out of its cluster',
    load: async () => (await import('./commands/leave.ts')).leave,
  },
  install: {
    group: 'Cluster',
    summary: 'Have systemd run the control plane or the agent',
    load: async () => (await import('./commands/install.ts')).install,
  },
  apply: {
    group: 'Basic',
    summary: 'Create or change objects so that they are as files say',
    load: async () => (await import('./commands/apply.ts')).apply,
  },
  diff: {
    group: 'Basic',
    summary: 'Show what apply would change',
    load: async () => (await import('./commands/diff.ts')).diff,
  },
  get: {
    group: 'Basic',
    summary: 'Show one or many objects',
    load: async () => (await import('./commands/get.ts')).get,
  },
  describe: {
    group: 'Basic',
    summary: 'Tell all about objects: state, owners, events',
    load: async () => (await import('./commands/describe.ts')).describe,
  },
  create: {
    group: 'Basic',
    summary: 'Create objects that must not exist yet',
    load: async () => (await import('./commands/create.ts')).create,
  },
  replace: {
    group: 'Basic',
    summary: 'Replace objects by what files say',
    load: async () => (await import('./commands/replace.ts')).replace,
  },
  patch: {
    group: 'Basic',
    summary: 'Change parts of an object',
    load: async () => (await import('./commands/patch.ts')).patch,
  },
  delete: {
    group: 'Basic',
    summary: 'Delete objects',
    load: async () => (await import('./commands/delete.ts')).deleteVerb,
  },
  edit: {
    group: 'Basic',
    summary: 'Change an object in your editor',
    load: async () => (await import('./commands/edit.ts')).edit,
  },
  label: {
    group: 'Basic',
    summary: 'Set and remove labels',
    load: async () => (await import('./commands/label.ts')).label,
  },
  annotate: {
    group: 'Basic',
    summary: 'Set and remove annotations',
    load: async () => (await import('./commands/annotate.ts')).annotate,
  },
  wait: {
    group: 'Basic',
    summary: 'Wait until objects are as they should be',
    load: async () => (await import('./commands/wait.ts')).wait,
  },
  kustomize: {
    group: 'Basic',
    summary: 'Print the objects that a kustomization makes',
    load: async () => (await import('./commands/kustomize.ts')).kustomize,
  },
  explain: {
    group: 'Basic',
    summary: 'Tell what the fields of a kind mean',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  scale: {
    group: 'Deploying',
    summary: 'Change the number of replicas',
    load: async () => (await import('./commands/scale.ts')).scale,
  },
  run: {
    group: 'Deploying',
    summary: 'Run an image in a pod',
    load: async () => (await import('./commands/run.ts')).run,
  },
  expose: {
    group: 'Deploying',
    summary: 'Create a Service for pods',
    load: async () => (await import('./commands/expose.ts')).expose,
  },
  rollout: {
    group: 'Deploying',
    summary: 'Follow, undo, pause, resume and repeat rollouts',
    load: async () => (await import('./commands/rollout.ts')).rollout,
  },
  logs: {
    group: 'Looking inside',
    summary: 'Print what containers wrote',
    load: async () => (await import('./commands/logs.ts')).logs,
  },
  exec: {
    group: 'Looking inside',
    summary: 'Run a command in a container',
    load: async () => (await import('./commands/exec.ts')).exec,
  },
  events: {
    group: 'Looking inside',
    summary: 'List what happened',
    load: async () => (await import('./commands/events.ts')).events,
  },
  node: {
    group: 'Nodes',
    summary: 'List, remove and fence nodes',
    load: async () => (await import('./commands/node.ts')).node,
  },
  cordon: {
    group: 'Nodes',
    summary: 'Give a node no new pods',
    load: async () => (await import('./commands/cordon.ts')).cordon,
  },
  uncordon: {
    group: 'Nodes',
    summary: 'Give a node pods again',
    load: async () => (await import('./commands/cordon.ts')).uncordon,
  },
  drain: {
    group: 'Nodes',
    summary: 'Move the pods of a node away',
    load: async () => (await import('./commands/drain.ts')).drain,
  },
  taint: {
    group: 'Nodes',
    summary: 'Set and remove taints of nodes',
    load: async () => (await import('./commands/taint.ts')).taint,
  },
  image: {
    group: 'Nodes',
    summary: 'Load, list, pull and remove the images of this machine',
    load: async () => (await import('./commands/image.ts')).image,
  },
  'api-resources': {
    group: 'Other',
    summary: 'List the kinds there are',
    load: async () => (await import('./commands/api-resources.ts')).apiResources,
  },
  'api-versions': {
    group: 'Other',
    summary: 'List the versions of the API there are',
    load: async () => (await import('./commands/api-versions.ts')).apiVersions,
  },
  config: {
    group: 'Other',
    summary: 'Show and change which cluster is spoken to',
    load: async () => (await import('./commands/config.ts')).config,
  },
  version: {
    group: 'Other',
    summary: 'Print the versions of client and server',
    load: async () => (await import('./commands/version.ts')).version,
  },
};
