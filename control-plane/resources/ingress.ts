/** Ingress: rules by which requests from outside reach services. */
import { isIP } from 'node:net';
import type { ErrorCause } from '../../lib/errors.ts';
import { BUILT_IN_CLASS, CLASS_ANNOTATION, classNameOf } from '../../lib/ingress-class.ts';
import { dnsSubdomain } from '../../lib/name-rules.ts';
import { joinPath, KINDS, type networkingv1 } from '../../proto/index.ts';
import { ageColumn, NONE, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateBackend } from './ingress-backend.ts';
import { validateLoadBalancer } from './load-balancer-status.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { hostOrWildcard } from './validation/dns-names.ts';
import { byRule, invalid } from './validation/field-errors.ts';

const MAX_HOSTS_SHOWN = 3;

const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_ENDS = ['/..', '/.'];

function validate(ingress: networkingv1.Ingress): ErrorCause[] {
  const { rules = [], defaultBackend, tls = [], ingressClassName } = ingress.spec ?? {};
  const causes: ErrorCause[] = [];
  if (rules.length === 0 && defaultBackend === undefined) {
    causes.push(invalid('spec', rules, 'either `defaultBackend` or `rules` must be specified'));
  }
  if (defaultBackend !== undefined) causes.push(...validateBackend(defaultBackend, 'spec.defaultBackend'));
  causes.push(...rules.flatMap((rule, i) => validateRule(rule, `spec.rules[${i}]`)));
  causes.push(...tls.flatMap((entry, i) => validateTls(entry, `spec.tls[${i}]`)));
  if (ingressClassName !== undefined) causes.push(...byRule('spec.ingressClassName', ingressClassName, dnsSubdomain));
  return causes;
}

/** Old annotation and field may not disagree in a new ingress. */
function validateClass({ metadata, spec }: networkingv1.Ingress): ErrorCause[] {
  const annotation = metadata?.annotations?.[CLASS_ANNOTATION];
  const name = spec?.ingressClassName;
  if (annotation === undefined || name === undefined || annotation === name) return [];
  const field = joinPath('metadata.annotations', CLASS_ANNOTATION);
  return [invalid(field, annotation, 'must match `ingressClassName` when both are specified')];
}

function validateRule({ host = '', http }: networkingv1.IngressRule, field: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (host !== '') {
    if (isIP(host) !== 0) causes.push(invalid(`${field}.host`, host, 'must be a DNS name, not an IP address'));
    causes.push(...byRule(`${field}.host`, host, hostOrWildcard));
  }
  for (const [i, path] of (http?.paths ?? []).entries())
    causes.push(...validatePath(path, `${field}.http.paths[${i}]`));
  return causes;
}

/** A path without type or backend is refused by the schema. */
function validatePath({ path = '', pathType, backend }: networkingv1.HTTPIngressPath, field: string): ErrorCause[] {
  const at = `${field}.path`;
  const causes: ErrorCause[] = [];
  const strict = pathType === 'Exact' || pathType === 'Prefix';
  if (!path.startsWith('/') && (strict || path !== '')) causes.push(invalid(at, path, 'must be an absolute path'));
  if (strict) {
    for (const part of BAD_SEQUENCES.filter((text) => path.includes(text)))
      causes.push(invalid(at, path, `must not contain '${part}'`));
    for (const end of BAD_ENDS.filter((text) => path.endsWith(text)))
      causes.push(invalid(at, path, `cannot end with '${end}'`));
  }
  if (backend !== undefined) causes.push(...validateBackend(backend, `${field}.backend`));
  return causes;
}

function validateTls({ hosts = [], secretName = '' }: networkingv1.IngressTLS, field: string): ErrorCause[] {
  return [
    ...hosts.flatMap((host, i) => byRule(`${field}.hosts[${i}]`, host, hostOrWildcard)),
    ...(secretName === '' ? [] : byRule(`${field}.secretName`, secretName, dnsSubdomain)),
  ];
}

function hostsText({ spec }: networkingv1.Ingress): string {
  const hosts = (spec?.rules ?? []).map((rule) => rule.host ?? '').filter((host) => host !== '');
  if (hosts.length === 0) return '*';
  const shown = hosts.slice(0, MAX_HOSTS_SHOWN).join(',');
  return hosts.length > MAX_HOSTS_SHOWN ? `${shown} + ${hosts.length - MAX_HOSTS_SHOWN} more...` : shown;
}

function addressText({ status }: networkingv1.Ingress): string {
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip = '', hostname = '' }) =>
    ip === '' ? hostname : ip,
  );
  return [...new Set(addresses.filter((address) => address !== ''))].sort().join(',');
}

/** Begins annotations that tell other programs that serve Ingresses how to do it. */
const OF_OTHERS =
  /^(([a-z0-9-]+\.)?ingress\.kubernetes\.io|nginx\.(org|com)|haproxy\.(org|com)|haproxy-ingress\.github\.io|konghq\.com)\//;

function warnings(ingress: networkingv1.Ingress): string[] {
  const annotations = Object.keys(ingress.metadata?.annotations ?? {});
  const found = annotations.includes(CLASS_ANNOTATION)
    ? [`annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`]
    : [];
  // Whoever asks for another class has a program of that kind.
  const ours = (classNameOf(ingress) ?? BUILT_IN_CLASS) === BUILT_IN_CLASS;
  const without = ours ? annotations.filter((name) => OF_OTHERS.test(name)) : [];
  return [
    ...found,
    ...without.map((name) => `annotation "${name}" has no effect: the built-in proxy has no such setting`),
  ];
}

/** The definition of Ingress. */
export const ingress: ResourceDefinition<networkingv1.Ingress> = {
  type: KINDS.Ingress,
  subresources: { status: true },
  prepareForCreate: startWithoutStatus,
  validate,
  validateCreate: validateClass,
  validateStatusUpdate: ({ status }) => validateLoadBalancer(status?.loadBalancer),
  warnings,
  columns: [
    nameColumn,
    { name: 'CLASS', cell: (o) => o.spec?.ingressClassName ?? NONE },
    { name: 'HOSTS', cell: hostsText },
    { name: 'ADDRESS', cell: addressText },
    { name: 'PORTS', cell: (o) => ((o.spec?.tls ?? []).length > 0 ? '80, 443' : '80') },
    ageColumn,
  ],
};
