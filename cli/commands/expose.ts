import { addSaveConfig, type CreateOptions, inNamespace } from '../create/add-generators.ts';
import { withLastApplied } from '../create/last-applied.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { encodeJson } from '../manifest/json-value.ts';
import { collect } from '../resources/collect.ts';
import { textAt } from '../resources/fields.ts';
import { findObjects } from '../resources/find-objects.ts';
import { localIdentity } from '../resources/identity.ts';
import { targetsOf } from '../resources/targets-of.ts';
import { addWriteOptions, dryRunOf, WriteReport, writeFlags } from '../resources/write-report.ts';
import { type ExposeOptions, serviceFor } from '../run/service-for.ts';
import { addConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ExposeVerbOptions extends CreateOptions, ExposeOptions {
  readonly filename?: string[];
  readonly recursive?: boolean;
}

const EXPOSED: readonly string[] = [
  'Deployment',
  'Pod',
  'ReplicaSet',
  'ReplicationController',
  'Service',
  'StatefulSet',
];

/** `skiff expose` */
export const expose: Verb = {
  configure(command, { terminal }) {
    addSaveConfig(addWriteOptions(addConnectionOptions(command)))
      .argument('[resources...]', 'a pod, a service, or what makes pods: kind and name, or kind/name')
      .option('--port <port>', 'the port of the Service; those of the pods unless said')
      .option('--target-port <port>', 'the port of the pods, as a number or its name')
      .option('--protocol <protocol>', 'TCP, UDP or SCTP')
      .option('--name <name>', "the Service's name; that of the object unless said")
      .option('--type <type>', 'ClusterIP, NodePort, LoadBalancer or ExternalName')
      .option('--selector <key=value,…>', "the pods' labels; those the object selects unless said", collect)
      .option('-l, --labels <key=value,…>', "the Service's labels; those of the object unless said", collect)
      .option('--cluster-ip <address>', "the address, or None for a Service that only has its pods' addresses")
      .option('--external-ip <address>', 'an address outside that leads here, too')
      .option('--load-balancer-ip <address>', 'the address the load balancer is to take')
      .option('--session-affinity <affinity>', 'None or ClientIP')
      .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
      .option('-R, --recursive', 'folders of folders too')
      .action((args: string[], options: ExposeVerbOptions) =>
        withSession(terminal, options, (session) => runExpose(session, args, options)),
      );
    addExamples(command, [
      ['A deployment', 'skiff expose deployment web --port=80 --target-port=8080'],
      ['A pod, at a port of every node', 'skiff expose pod web-1 --port=80 --type=NodePort --name=front'],
    ]);
  },
};

async function runExpose(session: Session, args: readonly string[], options: ExposeVerbOptions): Promise<void> {
  const { api, terminal } = session;
  const report = new WriteReport(terminal, options);
  const errors: unknown[] = [];
  const { filename, recursive } = options;
  const choice = { ...(filename === undefined ? {} : { filename }), ...(recursive === undefined ? {} : { recursive }) };
  for (const target of await targetsOf(api, await findObjects(session, args, choice), { all: false })) {
    try {
      const { object, identity } = await api.get(target);
      const kind = identity.kind ?? '';
      if (!EXPOSED.includes(kind)) throw new CliError(`cannot expose a ${kind}`);
      const placed = inNamespace(serviceFor({ ...object, kind }, options), options.namespace);
      const made = options.saveConfig === true ? withLastApplied(placed) : placed;
      const name = textAt(made, 'metadata', 'name');
      if (dryRunOf(options) === 'client') {
        report.done('exposed', localIdentity({ apiVersion: 'v1', kind: 'Service', name }), made);
      } else {
        const at = { apiVersion: 'v1', kind: 'Service', namespace: textAt(object, 'metadata', 'namespace') };
        const result = await api.create(at, encodeJson(made), writeFlags(options, 'expose'));
        report.done('exposed', result.identity, result.object);
      }
    } catch (err) {
      errors.push(err);
    }
  }
  report.finish();
  throwAll(errors);
}
