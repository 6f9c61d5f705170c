import type { Generator } from './generator.ts';

/** `create serviceaccount` */
export const serviceAccount: Generator = {
  path: ['serviceaccount'],
  aliases: ['sa'],
  summary: 'Create a service account',
  namespaced: true,
  examples: [['A service account', 'skiff create serviceaccount builder']],
  declare: () => {},
  build: ({ name }) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } }),
};
