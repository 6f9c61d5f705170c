import type { Command } from 'commander';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { collect } from '../resources/collect.ts';
import type { Generator, GeneratorInput } from './generator.ts';
import { collectWhole, keyValue } from './options.ts';
import { type RuleOptions, roleRules } from './role-rules.ts';

interface ClusterRoleOptions extends RuleOptions {
  readonly aggregationRule?: string[];
}

const API_VERSION = 'rbac.authorization.k8s.io/v1';

/** `create role` */
export const role: Generator<RuleOptions> = {
  path: ['role'],
  summary: 'Create a Role with one set of permissions',
  namespaced: true,
  examples: [
    ['Who may read pods', 'skiff create role pod-reader --verb=get,list,watch --resource=pods,pods/log'],
    ['Only one of them', 'skiff create role web-reader --verb=get --resource=configmaps --resource-name=web'],
  ],
  declare: declareRules,
  async build(input) {
    if (input.options.resource === undefined)
      throw new CliError('at least one resource must be specified: give --resource');
    return { apiVersion: API_VERSION, kind: 'Role', metadata: { name: input.name }, rules: await rulesOf(input) };
  },
};

/** `create clusterrole` */
export const clusterRole: Generator<ClusterRoleOptions> = {
  path: ['clusterrole'],
  summary: 'Create a ClusterRole, also of other ones or of paths',
  namespaced: false,
  examples: [
    ['Who may read nodes', 'skiff create clusterrole node-reader --verb=get,list,watch --resource=nodes'],
    ['For a path', 'skiff create clusterrole metrics --verb=get --non-resource-url=/metrics'],
    ['Of all that have a label', 'skiff create clusterrole monitoring --aggregation-rule="part-of=monitoring"'],
  ],
  declare(command) {
    declareRules(command);
    command
      .option('--non-resource-url <path>', 'a path the rule is about; repeatable', collect)
      .option('--aggregation-rule <key=value>', 'labels of the roles this one is made of', collect);
  },
  async build(input) {
    const { name, options } = input;
    const { verb, resource, resourceName, nonResourceUrl, aggregationRule } = options;
    const head = { apiVersion: API_VERSION, kind: 'ClusterRole', metadata: { name } };
    if (aggregationRule !== undefined) {
      if ((verb ?? resource ?? resourceName ?? nonResourceUrl) !== undefined) {
        throw new CliError(
          'aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames',
        );
      }
      const matchLabels = Object.fromEntries(aggregationRule.map((pair) => keyValue(pair, '--aggregation-rule')));
      return { ...head, aggregationRule: { clusterRoleSelectors: [{ matchLabels }] }, rules: null };
    }
    if (verb !== undefined && resource === undefined && nonResourceUrl === undefined)
      throw new CliError('one of resource or nonResourceURL must be specified: give --resource or --non-resource-url');
    return { ...head, rules: await rulesOf(input) };
  },
};

function declareRules(command: Command): void {
  command
    .option('--verb <verb>', 'what may be done; repeatable', collect)
    .option('--resource <resource>', 'with what: resource[.group][/subresource]; repeatable', collect)
    .option('--resource-name <name>', 'only with objects of this name; repeatable', collectWhole);
}

/** Only the server knows in which group a resource is. */
async function rulesOf({ options, terminal, ask }: GeneratorInput<RuleOptions>): Promise<JsonObject[]> {
  const needsKinds = (options.resource ?? []).some((resource) => !resource.startsWith('*'));
  const kinds = needsKinds ? await ask(({ api }) => api.listKinds()) : [];
  return roleRules(options, kinds, (text) => terminal.stderr.write(`Warning: ${text}\n`));
}
