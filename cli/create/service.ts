import type { Command } from 'commander';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { collect } from '../resources/collect.ts';
import type { Generator } from './generator.ts';
import { PORTS, wholeNumber } from './options.ts';

interface ServiceOptions {
  readonly tcp?: string[];
  readonly clusterip?: string;
  readonly nodePort?: string;
  readonly externalName?: string;
}

/** What tells the types of Services apart. */
interface ServiceForm {
  readonly word: string;
  readonly type: string;
  readonly summary: string;
  readonly example: readonly [string, string];
  readonly declare?: (command: Command) => void;
}

/** `create service clusterip`, `nodeport`, `loadbalancer` and `externalname` */
export const services: readonly Generator[] = [
  service({
    word: 'clusterip',
    type: 'ClusterIP',
    summary: 'Create a Service that the cluster reaches at an address of its own',
    example: ['From port 80 to port 8080 of the pods', 'skiff create service clusterip web --tcp=80:8080'],
    declare: (command) =>
      void command.option(
        '--clusterip <address>',
        "the address, or None for a Service that only has its pods' addresses",
      ),
  }),
  service({
    word: 'nodeport',
    type: 'NodePort',
    summary: 'Create a Service that every node answers for at a port',
    example: ['At port 30080 of every node', 'skiff create service nodeport web --tcp=80:8080 --node-port=30080'],
    declare: (command) =>
      void command.option('--node-port <port>', 'the port on every node; chosen when none is given'),
  }),
  service({
    word: 'loadbalancer',
    type: 'LoadBalancer',
    summary: 'Create a Service with an address outside the cluster',
    example: ['From port 80 to port 8080 of the pods', 'skiff create service loadbalancer web --tcp=80:8080'],
  }),
  service({
    word: 'externalname',
    type: 'ExternalName',
    summary: 'Create a Service that stands for a name outside the cluster',
    example: ['Another name for a host', 'skiff create service externalname db --external-name=db.example.com'],
    declare: (command) => void command.requiredOption('--external-name <name>', 'the name it stands for'),
  }),
];

function service(form: ServiceForm): Generator<ServiceOptions> {
  return {
    path: ['service', form.word],
    summary: form.summary,
    namespaced: true,
    examples: [form.example],
    declare(command) {
      command.option('--tcp <port[:target]>', 'a port, and the one of the pods it leads to; repeatable', collect);
      form.declare?.(command);
    },
    build({ name, options }) {
      const isHeadless = options.clusterip === 'None';
      const tcp = options.tcp ?? [];
      if (tcp.length === 0 && !isHeadless && form.type !== 'ExternalName')
        throw new CliError('at least one tcp port specifier must be provided: give --tcp');
      checkExternalName(options.externalName);
      const nodePort =
        options.nodePort === undefined ? {} : { nodePort: wholeNumber(options.nodePort, '--node-port', PORTS) };
      const ports = tcp.map((pair) => ({ ...servicePort(pair), ...nodePort }));
      return {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, labels: { app: name } },
        spec: {
          ...(options.clusterip === undefined ? {} : { clusterIP: options.clusterip }),
          ...(options.externalName === undefined ? {} : { externalName: options.externalName }),
          ...(ports.length === 0 ? {} : { ports }),
          selector: { app: name },
          type: form.type,
        },
        status: { loadBalancer: {} },
      };
    },
  };
}

/** A port of a Service from `80`, `80:8080` or `80:http`. Throws a {@link CliError}. */
function servicePort(pair: string): JsonObject {
  const [port = '', target, ...more] = pair.split(':');
  if (more.length > 0) throw new CliError(`invalid --tcp "${pair}": write it as port or port:target`);
  const number = wholeNumber(port, '--tcp', PORTS);
  return {
    name: pair.replace(':', '-'),
    port: number,
    protocol: 'TCP',
    targetPort: targetPort(target ?? port, '--tcp'),
  };
}

/** A port of a pod: a number, or the name of a container's port. Throws a {@link CliError}. */
export function targetPort(text: string, flag: string): number | string {
  if (/^-?\d+$/.test(text)) return wholeNumber(text, flag, PORTS);
  if (/^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text)) return text;
  throw new CliError(
    `invalid ${flag} "${text}": a port's name has at most 15 characters, lower-case letters, digits and dashes, and at least one letter`,
  );
}

function checkExternalName(name: string | undefined): void {
  if (name === undefined) return;
  const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
  if (name.length > 253 || !new RegExp(`^${label}(?:\\.${label})*\\.?$`).test(name))
    throw new CliError(`invalid service external name ${name}: it must be the name of a host, in lower case`);
}
