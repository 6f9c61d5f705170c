import type { streamsv1 } from '../../proto/api.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';
import { chooseContainer, containerNames, findPods } from '../resources/find-pods.ts';
import { addConnectionOptions, type ConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface LogsOptions extends ConnectionOptions {
  readonly container?: string;
  readonly allContainers?: boolean;
  readonly allPods?: boolean;
  readonly selector?: string;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly prefix?: boolean;
  readonly tail?: string;
  readonly since?: string;
  readonly sinceTime?: string;
  readonly limitBytes?: string;
  readonly maxLogRequests: string;
}

/** With a selector only the last lines are shown unless more are asked for. */
const SELECTED_TAIL = 10;

/** `skiff logs` */
export const logs: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[pod]', 'a pod, or kind/name of what has pods, such as deploy/web')
      .argument('[container]')
      .option('-c, --container <name>', 'this container')
      .option('--all-containers', 'all containers')
      .option('--all-pods', 'all pods of a deployment, not only one')
      .option('-l, --selector <labels>', 'all pods with these labels')
      .option('-f, --follow', 'go on as more is written')
      .option('-p, --previous', 'of the run before this one')
      .option('--timestamps', 'the time before every line')
      .option('--prefix', 'pod and container before every line')
      .option('--tail <lines>', 'only the last lines; -1 means all')
      .option('--since <duration>', 'only what is newer, such as 10m')
      .option('--since-time <time>', 'only what is newer than this RFC 3339 time')
      .option('--limit-bytes <bytes>', 'at most that much')
      .option('--max-log-requests <count>', 'most logs followed at the same time', '5')
      .action((pod: string | undefined, container: string | undefined, options: LogsOptions) =>
        withSession(terminal, options, (session) =>
          runLogs(session, pod, { ...options, ...(container === undefined ? {} : { container }) }),
        ),
      );
    addExamples(command, [
      ['Of a pod; of any pod of a deployment, as it goes on', 'skiff logs web-1\n  skiff logs -f deploy/web'],
      ['What it said before it crashed', 'skiff logs web-1 --previous --tail=20'],
      ['All pods with a label', 'skiff logs -l app=web --prefix --since=10m'],
    ]);
  },
};

async function runLogs(session: Session, name: string | undefined, options: LogsOptions): Promise<void> {
  const pods = await chosenPods(session, name, options);
  const base = baseRequest(options);
  const requests = pods.flatMap((pod) =>
    chosenContainers(session, pod, options).map((container) => ({
      ...base,
      namespace: textAt(pod, 'metadata', 'namespace'),
      pod: textAt(pod, 'metadata', 'name'),
      container,
    })),
  );
  const most = Number(options.maxLogRequests);
  if (options.follow === true && requests.length > most) {
    throw new CliError(
      `you are attempting to follow ${requests.length} log streams, but maximum allowed concurrency is ${most}, use --max-log-requests to increase the limit`,
    );
  }
  if (options.follow !== true) {
    for (const request of requests) await printLog(session, request, options);
    return;
  }
  const results = await Promise.allSettled(requests.map((request) => printLog(session, request, options)));
  throwAll(results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])));
}

async function chosenPods(session: Session, name: string | undefined, options: LogsOptions): Promise<JsonObject[]> {
  if (options.selector !== undefined) {
    if (name !== undefined) throw new CliError('only a selector (-l) or a POD name is allowed');
    const { items } = await session.api.list(
      { resource: 'pods', namespace: session.namespace },
      { labelSelector: options.selector },
    );
    if (items.length === 0) session.terminal.stderr.write(`No resources found in ${session.namespace} namespace.\n`);
    return [...items];
  }
  if (name === undefined)
    throw new CliError("expected 'logs [-f] POD [-c CONTAINER]': POD or TYPE/NAME is a required argument");
  const pods = await findPods(session, name);
  if (options.allPods === true) return pods;
  if (pods.length > 1)
    session.terminal.stderr.write(`Found ${pods.length} pods, using pod/${textAt(pods[0], 'metadata', 'name')}\n`);
  return pods.slice(0, 1);
}

function chosenContainers({ terminal }: Session, pod: JsonObject, options: LogsOptions): string[] {
  if (options.allContainers === true) return containerNames(pod).all;
  const { container, note } = chooseContainer(pod, options.container);
  if (note !== undefined && options.selector === undefined) terminal.stderr.write(`${note}\n`);
  return [container];
}

function baseRequest(options: LogsOptions): streamsv1.LogsRequest {
  if (options.since !== undefined && options.sinceTime !== undefined)
    throw new CliError('only one of sinceTime or sinceSeconds can be set');
  const tail =
    options.tail === undefined
      ? options.selector === undefined
        ? -1
        : SELECTED_TAIL
      : integer(options.tail, '--tail');
  const limit = options.limitBytes === undefined ? undefined : integer(options.limitBytes, '--limit-bytes');
  return {
    follow: options.follow === true,
    previous: options.previous === true,
    timestamps: options.timestamps === true,
    ...(tail < 0 ? {} : { tailLines: tail }),
    ...(options.since === undefined ? {} : { sinceSeconds: Math.ceil(durationMs(options.since, '--since') / 1000) }),
    ...(options.sinceTime === undefined ? {} : { sinceTime: options.sinceTime }),
    ...(limit === undefined ? {} : { limitBytes: limit }),
  };
}

function integer(text: string, flag: string): number {
  if (!/^-?\d+$/.test(text)) throw new CliError(`invalid ${flag} "${text}": write a whole number`);
  return Number(text);
}

async function printLog(
  { api, terminal }: Session,
  request: streamsv1.LogsRequest,
  options: LogsOptions,
): Promise<void> {
  if (options.prefix !== true) {
    for await (const piece of api.logs(request)) terminal.stdout.write(piece);
    return;
  }
  const prefix = `[pod/${request.pod}/${request.container}] `;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of api.logs(request)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length > 0) terminal.stdout.write(lines.map((line) => `${prefix}${line}\n`).join(''));
  }
  if (rest !== '') terminal.stdout.write(`${prefix}${rest}\n`);
}
