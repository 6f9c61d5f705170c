import { keyValue, PORTS, wholeNumber } from '../create/options.ts';
import { targetPort } from '../create/service.ts';
import { CliError } from '../errors/cli-error.ts';
import { isJsonObject, type JsonObject } from '../manifest/json-value.ts';
import { listAt, mapAt, numberAt, textAt, valueAt } from '../resources/fields.ts';

/** Options of `expose` that make the Service. */
export interface ExposeOptions {
  readonly port?: string;
  readonly targetPort?: string;
  readonly protocol?: string;
  readonly name?: string;
  readonly type?: string;
  readonly selector?: string[];
  readonly labels?: string[];
  readonly clusterIp?: string;
  readonly externalIp?: string;
  readonly loadBalancerIp?: string;
  readonly sessionAffinity?: string;
}

const TYPES: readonly string[] = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
const PROTOCOLS: readonly string[] = ['TCP', 'UDP', 'SCTP'];
const AFFINITIES: readonly string[] = ['None', 'ClientIP'];

/**
 * A Service for the pods of an object: its selector is the object's, and so are its ports unless `--port` names one. Throws a
 * {@link CliError} for an object that has none.
 */
export function serviceFor(object: JsonObject, options: ExposeOptions): JsonObject {
  const kind = textAt(object, 'kind');
  const name = options.name ?? textAt(object, 'metadata', 'name').slice(0, 63);
  const type = choice(options.type, TYPES, '--type');
  const affinity = choice(options.sessionAffinity, AFFINITIES, '--session-affinity');
  const isHeadless = options.clusterIp === 'None';
  const ports = portsOf(object, options);
  if (ports.length === 0 && !isHeadless)
    throw new CliError('could not find port via --port flag or introspection: the object names no port');
  const labels =
    options.labels === undefined
      ? Object.fromEntries(mapAt(object, 'metadata', 'labels'))
      : Object.fromEntries(options.labels.map((pair) => keyValue(pair, '--labels')));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, ...(Object.keys(labels).length === 0 ? {} : { labels }) },
    spec: {
      ...(options.clusterIp === undefined ? {} : { clusterIP: options.clusterIp }),
      ...(options.externalIp === undefined ? {} : { externalIPs: [options.externalIp] }),
      ...(options.loadBalancerIp === undefined ? {} : { loadBalancerIP: options.loadBalancerIp }),
      ...(ports.length === 0 ? {} : { ports }),
      selector: selectorOf(object, kind, options.selector),
      ...(affinity === undefined ? {} : { sessionAffinity: affinity }),
      ...(type === undefined ? {} : { type }),
    },
    status: { loadBalancer: {} },
  };
}

function choice(given: string | undefined, allowed: readonly string[], flag: string): string | undefined {
  if (given === undefined || allowed.includes(given)) return given;
  throw new CliError(`invalid ${flag} "${given}": it is one of ${allowed.join(', ')}`);
}

function selectorOf(object: JsonObject, kind: string, given: readonly string[] | undefined): JsonObject {
  if (given !== undefined) return Object.fromEntries(given.map((pair) => keyValue(pair, '--selector')));
  const at: Readonly<Record<string, readonly string[]>> = {
    Pod: ['metadata', 'labels'],
    Service: ['spec', 'selector'],
    ReplicationController: ['spec', 'selector'],
  };
  const path = at[kind] ?? ['spec', 'selector', 'matchLabels'];
  const selector = valueAt(object, ...path);
  if (isJsonObject(selector) && Object.keys(selector).length > 0) {
    const expressions = listAt(object, 'spec', 'selector', 'matchExpressions');
    if (expressions.length === 0) return selector;
    throw new CliError("couldn't convert expressions of the selector to labels of a Service: give --selector");
  }
  if (kind === 'Pod') throw new CliError('the pod has no labels and cannot be exposed: label it, or give --selector');
  throw new CliError(`cannot expose a ${kind}: it selects no pods`);
}

function portsOf(object: JsonObject, options: ExposeOptions): JsonObject[] {
  const protocol = choice(options.protocol?.toUpperCase(), PROTOCOLS, '--protocol');
  const target = options.targetPort === undefined ? undefined : targetPort(options.targetPort, '--target-port');
  const own = ownPorts(object);
  if (options.port === undefined) {
    const many = own.length > 1;
    return own.map(({ port, protocol: of }, index) => ({
      ...(many ? { name: `port-${index + 1}` } : {}),
      port,
      protocol: protocol ?? of,
      targetPort: target ?? port,
    }));
  }
  return options.port.split(',').map((text, index, all) => {
    const port = wholeNumber(text, '--port', PORTS);
    const known = own.find((one) => one.port === port);
    return {
      ...(all.length > 1 ? { name: `port-${index + 1}` } : {}),
      port,
      protocol: protocol ?? known?.protocol ?? 'TCP',
      targetPort: target ?? port,
    };
  });
}

/** The ports that the object's pods, or a Service, name. */
function ownPorts(object: JsonObject): { readonly port: number; readonly protocol: string }[] {
  const containers = [
    ...listAt(object, 'spec', 'containers'),
    ...listAt(object, 'spec', 'template', 'spec', 'containers'),
  ];
  const named = [
    ...listAt(object, 'spec', 'ports').map((port) => [numberAt(port, 'port'), port] as const),
    ...containers
      .flatMap((one) => listAt(one, 'ports'))
      .map((port) => [numberAt(port, 'containerPort'), port] as const),
  ];
  return named.flatMap(([port, entry]) =>
    port === undefined ? [] : [{ port, protocol: textAt(entry, 'protocol') || 'TCP' }],
  );
}
