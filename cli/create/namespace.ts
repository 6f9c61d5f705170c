import type { Generator } from './generator.ts';

/** `create namespace` */
export const namespace: Generator = {
  path: ['namespace'],
  aliases: ['ns'],
  summary: 'Create a namespace',
  namespaced: false,
  examples: [['A namespace', 'skiff create namespace web']],
  declare: () => {},
  build: ({ name }) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {}, status: {} }),
};
