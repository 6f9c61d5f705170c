import type { JsonObject } from '../manifest/json-value.ts';
import { type TreeNode, treeLines } from '../output/tree-lines.ts';
import { listAt, numberAt, textAt, valueAt } from '../resources/fields.ts';
import { conditionLines, type DescribeInput, eventLines, identityFields, nameFields, pairs } from './common.ts';
import { block, type Field, field, formatDescription, present } from './description.ts';

/** Endpoints in the picture; the rest is counted. */
const MAX_SHOWN = 20;
const ANNOUNCED_BY = 'skiff.dev/announced-by';

/** Everything about a Service: where it is reached, and where the traffic goes, or why it goes nowhere. */
export function describeService({ object, events, relatives, nowMs }: DescribeInput): string {
  const spec = (name: string): string => textAt(object, 'spec', name);
  const slices = relatives.filter((one) => listAt(one, 'endpoints').length > 0 || textAt(one, 'addressType') !== '');
  const pods = relatives.filter((one) => !slices.includes(one));
  const targets = targetsOf(slices);
  const head = present([
    ...nameFields(object),
    ...identityFields(object),
    field('Selector', pairs(object, 'spec', 'selector').join(',') || '<none>'),
    field('Type', spec('type')),
    field('IP Family Policy', spec('ipFamilyPolicy')),
    field('IP Families', texts(object, 'ipFamilies')),
    field('IP', spec('clusterIP')),
    field('IPs', texts(object, 'clusterIPs')),
    field('External Name', spec('externalName')),
    field('External IPs', texts(object, 'externalIPs')),
    field('Desired LoadBalancer IP', spec('loadBalancerIP')),
    field('LoadBalancer Ingress', ingressAddresses(object).join(', ')),
    field('Announced By', announcer(object)),
    ...listAt(object, 'spec', 'ports').flatMap((port) => portFields(port, targets)),
    field('Session Affinity', spec('sessionAffinity')),
    field('External Traffic Policy', spec('externalTrafficPolicy')),
    field('HealthCheck NodePort', spec('healthCheckNodePort')),
    field('Internal Traffic Policy', spec('internalTrafficPolicy')),
    field('LoadBalancer Source Ranges', texts(object, 'loadBalancerSourceRanges')),
  ]);
  const nowhere = whyNowhere(object, targets, pods);
  const conditions = conditionLines(object);
  return [
    formatDescription(nowhere === '' ? head : [...head, field('Why No Traffic', nowhere)]),
    ...(spec('type') === 'ExternalName' ? [] : [block('Traffic', picture(object, targets))]),
    ...(conditions.length === 0 ? [] : [block('Conditions', conditions)]),
    block('Events', eventLines(events, nowMs)),
  ].join('');
}

/** One endpoint on one port. */
interface Target {
  readonly portName: string;
  readonly at: string;
  readonly state: 'ready' | 'not ready' | 'ending';
  readonly what: string;
}

function targetsOf(slices: readonly JsonObject[]): Target[] {
  return slices.flatMap((slice) => {
    const ports = listAt(slice, 'ports');
    return listAt(slice, 'endpoints').flatMap((endpoint) => {
      const [address = ''] = list(valueAt(endpoint, 'addresses'));
      const kind = textAt(endpoint, 'targetRef', 'kind');
      const node = textAt(endpoint, 'nodeName');
      const what = [
        kind === '' ? '' : `${kind}/${textAt(endpoint, 'targetRef', 'name')}`,
        node === '' ? '' : `on ${node}`,
      ];
      const each = ports.length === 0 ? [undefined] : ports;
      return each.map((port) => ({
        portName: textAt(port, 'name'),
        at: port === undefined ? address : withPort(address, textAt(port, 'port')),
        state: stateOf(endpoint),
        what: what.filter((text) => text !== '').join(' '),
      }));
    });
  });
}

function stateOf(endpoint: JsonObject): Target['state'] {
  if (textAt(endpoint, 'conditions', 'ready') !== 'false') return 'ready';
  return textAt(endpoint, 'conditions', 'terminating') === 'true' ? 'ending' : 'not ready';
}

function portFields(port: JsonObject, targets: readonly Target[]): Field[] {
  const name = textAt(port, 'name');
  const protocol = textAt(port, 'protocol');
  const nodePort = numberAt(port, 'nodePort') ?? 0;
  const ready = targets.filter((one) => one.portName === name && one.state === 'ready').map(({ at }) => at);
  const shown = ready.slice(0, 3).join(',') + (ready.length > 3 ? ` + ${ready.length - 3} more...` : '');
  return present([
    field('Port', `${name === '' ? '<unset>' : name}  ${textAt(port, 'port')}/${protocol}`),
    field('TargetPort', `${textAt(port, 'targetPort')}/${protocol}`),
    nodePort === 0 ? undefined : field('NodePort', `${name === '' ? '<unset>' : name}  ${nodePort}/${protocol}`),
    field('Endpoints', shown),
  ]);
}

/** For each port: everywhere it is reached, and below that where the traffic goes. */
function picture(object: JsonObject, targets: readonly Target[]): string[] {
  const ports = listAt(object, 'spec', 'ports');
  if (ports.length === 0) return treeLines({ text: textAt(object, 'metadata', 'name'), children: children(targets) });
  return ports.flatMap((port) => {
    const name = textAt(port, 'name');
    const text = [...entrances(object, port), ...(name === '' ? [] : [`(${name})`])].join('  ');
    return treeLines({ text, children: children(targets.filter((one) => one.portName === name)) });
  });
}

function children(targets: readonly Target[]): TreeNode[] {
  const marks = { ready: '', 'not ready': '  not ready', ending: '  ending' };
  const sorted = [...targets].sort((a, b) => (a.state === 'ready' ? 0 : 1) - (b.state === 'ready' ? 0 : 1));
  const nodes = sorted.slice(0, MAX_SHOWN).map(({ at, what, state }) => ({
    text: `${at}${what === '' ? '' : `  ${what}`}${marks[state]}`,
    children: [],
  }));
  if (targets.length <= MAX_SHOWN) return nodes;
  return [...nodes, { text: `and ${targets.length - MAX_SHOWN} more`, children: [] }];
}

/** Where a client finds the port. */
function entrances(object: JsonObject, port: JsonObject): string[] {
  const number = textAt(port, 'port');
  const cluster = textAt(object, 'spec', 'clusterIP');
  const nodePort = numberAt(port, 'nodePort') ?? 0;
  const name = `${textAt(object, 'metadata', 'name')}.${textAt(object, 'metadata', 'namespace')}`;
  const outside = [...ingressAddresses(object), ...list(valueAt(object, 'spec', 'externalIPs'))];
  return [
    cluster === '' || cluster === 'None' ? withPort(name, number) : withPort(cluster, number),
    ...outside.map((address) => withPort(address, number)),
    ...(nodePort === 0 ? [] : [`every node:${nodePort}`]),
  ];
}

/** Why nothing answers; empty when something does. */
function whyNowhere(object: JsonObject, targets: readonly Target[], pods: readonly JsonObject[]): string {
  if (textAt(object, 'spec', 'type') === 'ExternalName' || targets.some(({ state }) => state === 'ready')) return '';
  // Nodes answer it themselves.
  if (textAt(object, 'metadata', 'annotations', 'skiff.dev/answered-by') !== '') return '';
  const selector = pairs(object, 'spec', 'selector').join(',');
  if (targets.length > 0) return `none of its ${targets.length} endpoints is ready`;
  if (selector === '') return 'it has no selector, and nobody has written endpoints for it';
  if (pods.length === 0) return `no pod in the namespace has the labels ${selector}`;
  return `none of the ${pods.length} pods with the labels ${selector} runs and has an address`;
}

function ingressAddresses(object: JsonObject): string[] {
  return listAt(object, 'status', 'loadBalancer', 'ingress').map((one) => textAt(one, 'ip') || textAt(one, 'hostname'));
}

function announcer(object: JsonObject): string {
  const node = textAt(object, 'metadata', 'annotations', ANNOUNCED_BY);
  return node === '' ? '' : `node ${node}`;
}

function texts(object: JsonObject, name: string): string {
  return list(valueAt(object, 'spec', name)).join(',');
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function withPort(address: string, port: string): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
