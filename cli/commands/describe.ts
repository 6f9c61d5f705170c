import { hasReason } from '../../lib/errors.ts';
import type { apiv1 } from '../../proto/api.ts';
import type { ResourceTarget } from '../api/api-client.ts';
import type { DescribeInput } from '../describe/common.ts';
import { describeAny } from '../describe/describe-any.ts';
import { describeNode } from '../describe/describe-node.ts';
import { describePod } from '../describe/describe-pod.ts';
import { describeService } from '../describe/describe-service.ts';
import { describeWorkload } from '../describe/describe-workload.ts';
import { readInput } from '../describe/read-input.ts';
import { throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { collect } from '../resources/collect.ts';
import { textAt } from '../resources/fields.ts';
import { findObjects, type ObjectRequest } from '../resources/find-objects.ts';
import { addConnectionOptions, type ConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface DescribeOptions extends ConnectionOptions {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly filename?: string[];
  readonly recursive?: boolean;
  /** False with `--show-events=false`. */
  readonly showEvents?: boolean;
}

/** Views made for a kind; every other kind has the general one. */
const VIEWS: Readonly<Record<string, (input: DescribeInput) => string>> = {
  '/Pod': describePod,
  '/Node': describeNode,
  '/Service': describeService,
  'apps/Deployment': describeWorkload,
  'apps/ReplicaSet': describeWorkload,
};

/** `skiff describe` */
export const describe: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[resources...]', 'kind and names, kind/name, or a kind')
      .option('-A, --all-namespaces', 'objects of all namespaces')
      .option('-l, --selector <labels>', 'objects with these labels')
      .option('-f, --filename <file>', 'the objects of a file, folder, address or - for standard input', collect)
      .option('-R, --recursive', 'folders of folders too')
      .option('--no-show-events', 'without events')
      .action((args: string[], options: DescribeOptions) =>
        withSession(terminal, options, (session) => runDescribe(session, args, options)),
      );
    addExamples(command, [
      ['A pod: why is it not running?', 'skiff describe pod web-1'],
      ['A deployment and everything it owns', 'skiff describe deploy/web'],
      ['All pods whose name begins so', 'skiff describe pod web-'],
    ]);
  },
};

interface Found {
  readonly object: JsonObject;
  readonly identity: apiv1.ObjectIdentity;
}

async function runDescribe(session: Session, args: readonly string[], options: DescribeOptions): Promise<void> {
  const { api, terminal } = session;
  const errors: unknown[] = [];
  const found: Found[] = [];
  for (const request of await findObjects(session, args, options)) {
    try {
      found.push(...(await read(session, request)));
    } catch (err) {
      errors.push(err);
      if (!hasReason(err, 'NotFound', 'BadRequest', 'Forbidden')) break;
    }
  }
  if (found.length === 0 && errors.length === 0)
    terminal.stderr.write(`No resources found in ${session.namespace} namespace.\n`);
  const texts: string[] = [];
  for (const one of found) {
    const input = await readInput(api, one, { showEvents: options.showEvents !== false, nowMs: terminal.now() });
    const view = VIEWS[`${one.identity.group ?? ''}/${one.identity.kind ?? ''}`] ?? describeAny;
    texts.push(view(input));
  }
  terminal.stdout.write(texts.join('\n\n'));
  throwAll(errors);
}

/** The objects of a request. A name that no object has is taken as the beginning of names. */
async function read({ api }: Session, { target, single, selection }: ObjectRequest): Promise<Found[]> {
  if (!single) {
    const { items, identity } = await api.list(target, selection);
    return items.map((object) => ({ object, identity }));
  }
  try {
    return [await api.get(target)];
  } catch (err) {
    if (!hasReason(err, 'NotFound')) throw err;
    const { name = '', ...collection }: ResourceTarget = target;
    const { items, identity } = await api.list(collection).catch(() => ({ items: [], identity: {} }));
    const begun = items.filter((item) => textAt(item, 'metadata', 'name').startsWith(name));
    if (begun.length === 0) throw err;
    return begun.map((object) => ({ object, identity }));
  }
}
