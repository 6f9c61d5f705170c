import type { apiv1 } from '../../proto/api.ts';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { nearest } from '../nearest.ts';
import { unique } from './options.ts';

/** Options from which rules are made. */
export interface RuleOptions {
  readonly verb?: string[];
  readonly resource?: string[];
  readonly resourceName?: string[];
  readonly nonResourceUrl?: string[];
}

/** Told what is strange but allowed. */
export type Warn = (text: string) => void;

const RESOURCE_VERBS: readonly string[] = [
  ...['*', 'get', 'delete', 'list', 'create', 'update', 'patch', 'watch', 'proxy', 'deletecollection'],
  ...['use', 'bind', 'escalate', 'impersonate'],
];
const URL_VERBS: readonly string[] = ['*', 'get', 'post', 'put', 'delete', 'patch', 'head', 'options'];

/** Verbs that mean something for few resources only, as `resource.group`; some of these are served as nothing else. */
const SPECIAL: Readonly<Record<string, readonly string[]>> = {
  use: ['podsecuritypolicies.policy', 'podsecuritypolicies.extensions'],
  bind: ['roles.rbac.authorization.k8s.io', 'clusterroles.rbac.authorization.k8s.io'],
  escalate: ['roles.rbac.authorization.k8s.io', 'clusterroles.rbac.authorization.k8s.io'],
  impersonate: ['users', 'serviceaccounts', 'groups', 'userextras.authentication.k8s.io'],
};

/**
 * The rules of a role: one for each API group, groups in order, and one for paths. `kinds` are those served: short and
 * singular names become plural ones in their group. Throws a {@link CliError} for what makes no rule.
 */
export function roleRules(options: RuleOptions, kinds: readonly apiv1.KindInfo[], warn: Warn): JsonObject[] {
  const verbs = verbsOf(options.verb);
  const urls = unique(options.nonResourceUrl);
  const names = unique(options.resourceName);
  const byGroup = new Map<string, string[]>();
  for (const typed of resourcesOf(options.resource)) {
    const { group, plural, subresource } = resolve(typed, verbs, kinds);
    const text = subresource === '' ? plural : `${plural}/${subresource}`;
    byGroup.set(group, unique([...(byGroup.get(group) ?? []), text]));
  }
  if (byGroup.size > 0) {
    for (const verb of verbs) if (!RESOURCE_VERBS.includes(verb)) warn(`'${verb}' is not a standard resource verb`);
  }
  if (urls.length > 0) checkUrls(urls, verbs);
  const rules: JsonObject[] = [...byGroup.keys()].sort().map((group) => ({
    apiGroups: [group],
    ...(names.length === 0 ? {} : { resourceNames: names }),
    resources: byGroup.get(group) ?? [],
    verbs,
  }));
  return urls.length === 0 ? rules : [...rules, { nonResourceURLs: urls, verbs }];
}

function verbsOf(typed: readonly string[] | undefined): string[] {
  const verbs = unique(typed);
  if (verbs.length === 0) throw new CliError('at least one verb must be specified: give --verb');
  return verbs.includes('*') ? ['*'] : verbs;
}

/** `*` alone stands for all others. */
function resourcesOf(typed: readonly string[] | undefined): readonly string[] {
  const resources = typed ?? [];
  return resources.includes('*') ? ['*'] : resources;
}

interface Resolved {
  readonly group: string;
  readonly plural: string;
  readonly subresource: string;
}

function resolve(typed: string, verbs: readonly string[], kinds: readonly apiv1.KindInfo[]): Resolved {
  const slash = typed.indexOf('/');
  const whole = slash === -1 ? typed : typed.slice(0, slash);
  const subresource = slash === -1 ? '' : typed.slice(slash + 1);
  const dot = whole.indexOf('.');
  const word = dot === -1 ? whole : whole.slice(0, dot);
  const wantedGroup = dot === -1 ? undefined : whole.slice(dot + 1);
  if (word === '')
    throw new CliError(`invalid --resource "${typed}": resource must be specified if apiGroup/subresource specified`);
  if (word === '*') return { group: wantedGroup ?? '', plural: '*', subresource };
  const found = kinds.find((kind) => isNamed(kind, word) && (wantedGroup === undefined || kind.group === wantedGroup));
  const plural = found?.plural ?? word;
  const group = found?.group ?? wantedGroup ?? '';
  const full = group === '' ? plural : `${plural}.${group}`;
  let isSpecial = false;
  for (const verb of verbs) {
    const allowed = SPECIAL[verb];
    if (allowed === undefined) continue;
    if (!allowed.includes(full)) throw new CliError(`can not perform '${verb}' on '${plural}' in group '${group}'`);
    isSpecial = true;
  }
  if (found === undefined && !isSpecial) throw unknownResource(whole, kinds);
  return { group, plural, subresource };
}

function isNamed({ plural, singular, shortNames }: apiv1.KindInfo, word: string): boolean {
  return plural === word || singular === word || shortNames?.includes(word) === true;
}

function unknownResource(typed: string, kinds: readonly apiv1.KindInfo[]): CliError {
  const near = nearest(typed, [...new Set(kinds.map(({ plural = '' }) => plural))]);
  return new CliError(
    `the server doesn't have a resource type "${typed}"${near === undefined ? '' : `; did you mean "${near}"?`}`,
  );
}

function checkUrls(urls: readonly string[], verbs: readonly string[]): void {
  for (const verb of verbs) {
    if (!URL_VERBS.includes(verb)) throw new CliError(`invalid verb: '${verb}' for nonResourceURL`);
  }
  for (const url of urls) {
    if (url === '*') continue;
    if (!url.startsWith('/')) throw new CliError(`nonResourceURL should start with /: ${url}`);
    if (url.slice(0, -1).includes('*'))
      throw new CliError(`nonResourceURL only supports wildcard matches when '*' is at the end: ${url}`);
  }
}
