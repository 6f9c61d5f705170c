import type { Command } from 'commander';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import type { Generator } from './generator.ts';
import { collectWhole } from './options.ts';

interface SubjectOptions {
  readonly user?: string[];
  readonly group?: string[];
  readonly serviceaccount?: string[];
}

interface BindingOptions extends SubjectOptions {
  readonly role?: string;
  readonly clusterrole?: string;
}

const GROUP = 'rbac.authorization.k8s.io';

/** `create rolebinding` */
export const roleBinding: Generator<BindingOptions> = {
  path: ['rolebinding'],
  summary: 'Create a RoleBinding: who has a Role or ClusterRole in a namespace',
  namespaced: true,
  examples: [
    ['A person', 'skiff create rolebinding anna-reads --role=pod-reader --user=anna'],
    ['A service account', 'skiff create rolebinding ci --clusterrole=admin --serviceaccount=tools:ci -n web'],
  ],
  declare(command) {
    declareSubjects(
      command.option('--role <name>', 'the Role').option('--clusterrole <name>', 'the ClusterRole instead'),
    );
  },
  build({ name, options }) {
    const { role, clusterrole } = options;
    if ((role ?? '') === '' ? (clusterrole ?? '') === '' : (clusterrole ?? '') !== '')
      throw new CliError('exactly one of clusterrole or role must be specified: give --clusterrole or --role');
    const kind = (role ?? '') === '' ? 'ClusterRole' : 'Role';
    return {
      apiVersion: `${GROUP}/v1`,
      kind: 'RoleBinding',
      metadata: { name },
      roleRef: { apiGroup: GROUP, kind, name: (kind === 'Role' ? role : clusterrole) ?? '' },
      ...subjects(options),
    };
  },
};

/** `create clusterrolebinding` */
export const clusterRoleBinding: Generator<BindingOptions & { readonly clusterrole: string }> = {
  path: ['clusterrolebinding'],
  summary: 'Create a ClusterRoleBinding: who has a ClusterRole everywhere',
  namespaced: false,
  examples: [['A group', 'skiff create clusterrolebinding ops --clusterrole=cluster-admin --group=ops']],
  declare(command) {
    declareSubjects(command.requiredOption('--clusterrole <name>', 'the ClusterRole'));
  },
  build: ({ name, options }) => ({
    apiVersion: `${GROUP}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: options.clusterrole },
    ...subjects(options),
  }),
};

function declareSubjects(command: Command): void {
  command
    .option('--user <name>', 'a user; repeatable', collectWhole)
    .option('--group <name>', 'a group; repeatable', collectWhole)
    .option('--serviceaccount <namespace:name>', 'a service account; repeatable', collectWhole);
}

function subjects({ user, group, serviceaccount }: SubjectOptions): JsonObject {
  const all: JsonObject[] = [
    ...(user ?? []).map((name) => ({ apiGroup: GROUP, kind: 'User', name })),
    ...(group ?? []).map((name) => ({ apiGroup: GROUP, kind: 'Group', name })),
    ...(serviceaccount ?? []).map((account) => {
      const [namespace = '', name = '', ...more] = account.split(':');
      if (namespace === '' || name === '' || more.length > 0)
        throw new CliError(`invalid --serviceaccount "${account}": serviceaccount must be <namespace>:<name>`);
      return { kind: 'ServiceAccount', name, namespace };
    }),
  ];
  return all.length === 0 ? {} : { subjects: all };
}
