import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { agentv1 } from '../../proto/api.ts';
import { clusterLayout } from '../cluster/layout.ts';
import { GrpcConnection } from '../connection/grpc-connection.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { ConnectionError } from '../errors/connection-error.ts';
import { humanBytes } from '../output/human-bytes.ts';
import { LiveLines } from '../output/live-lines.ts';
import { formatTable } from '../output/text-table.ts';
import { collect } from '../resources/collect.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ImageOptions {
  readonly root: string;
  readonly socket?: string;
  readonly input?: string;
  readonly name?: string[];
  readonly force?: boolean;
  readonly quiet?: boolean;
  readonly digests?: boolean;
  readonly trunc?: boolean;
}

/** `skiff image`: the images of this machine's agent. */
export const image: Verb = {
  configure(command, { terminal }) {
    sub(command, 'load', 'Take images out of archives (OCI or docker)')
      .argument('[archives...]', 'files; - or none for standard input')
      .option('-i, --input <archive>', 'a file, as docker has it')
      .option('--name <reference>', 'the name to give instead of those in the archive; repeatable', collect)
      .action((archives: string[], options: ImageOptions) =>
        withAgent(terminal, options, (agent) => loadAll(agent, terminal, archives, options)),
      );
    for (const name of ['ls', 'list']) {
      sub(command, name, 'List the images', name === 'list')
        .option('--digests', 'with their digests')
        .option('--no-trunc', 'whole ids')
        .option('-q, --quiet', 'only ids')
        .action((options: ImageOptions) => withAgent(terminal, options, (agent) => list(agent, terminal, options)));
    }
    sub(command, 'rm', 'Remove images')
      .argument('<references...>')
      .option('-f, --force', 'although containers use them')
      .action((references: string[], options: ImageOptions) =>
        withAgent(terminal, options, (agent) => remove(agent, terminal, references, options)),
      );
    sub(command, 'pull', 'Fetch an image from its registry')
      .argument('<reference>')
      .action((reference: string, options: ImageOptions) =>
        withAgent(terminal, options, (agent) => pull(agent, terminal, reference)),
      );
    addExamples(command, [
      [
        'An archive made by docker save, and under another name',
        'skiff image load web.tar\n  skiff image load web.tar --name web:dev',
      ],
      ['From another program', 'docker save web | skiff image load'],
      ['What there is', 'skiff image ls'],
    ]);
  },
};

function sub(command: Command, name: string, summary: string, hidden = false): Command {
  return command
    .command(name, { hidden })
    .description(summary)
    .option('--root <folder>', 'the folder the cluster keeps its files under', '/')
    .option('--socket <path>', "the agent's socket (default: the one under --root)");
}

type Agent = { readonly connection: GrpcConnection; readonly signal: AbortSignal };

async function withAgent(
  terminal: Terminal,
  options: ImageOptions,
  body: (agent: Agent) => Promise<void>,
): Promise<void> {
  const socket = options.socket ?? clusterLayout(options.root).agentSocket;
  let connection: GrpcConnection;
  try {
    connection = await GrpcConnection.open({ socket }, terminal.signal);
  } catch (err) {
    throw explained(err, socket);
  }
  try {
    await body({ connection, signal: terminal.signal });
  } finally {
    connection.close();
  }
}

function explained(err: unknown, socket: string): unknown {
  if (!(err instanceof ConnectionError)) return err;
  const cause = err.cause instanceof Error && 'code' in err.cause ? err.cause.code : '';
  if (cause === 'EACCES' || cause === 'EPERM')
    return new CliError(`the agent's socket ${socket} may only be opened by root; use sudo`, { cause: err });
  return new CliError(`no agent answers on ${socket} (${err.message})`, {
    hint: 'Is Skiff running on this machine? Start it with: skiff up',
    cause: err,
  });
}

async function loadAll(
  agent: Agent,
  terminal: Terminal,
  archives: readonly string[],
  options: ImageOptions,
): Promise<void> {
  const named = options.input === undefined ? archives : [options.input, ...archives];
  const files = named.length === 0 ? ['-'] : named;
  const errors: unknown[] = [];
  for (const file of files) {
    try {
      const stream = file === '-' ? terminal.stdin : await openArchive(file);
      const { images = [] } = await load(agent, stream, options.name ?? []);
      for (const { references = [], id = '' } of images) {
        for (const reference of references.length === 0 ? [id] : references)
          terminal.stdout.write(`Loaded image: ${reference}\n`);
      }
    } catch (err) {
      errors.push(err);
    }
  }
  throwAll(errors);
}

async function openArchive(file: string): Promise<Readable> {
  try {
    await access(file, constants.R_OK);
  } catch (err) {
    throw new CliError(`Cannot read the archive ${file}: ${err instanceof Error ? err.message : String(err)}`, {
      cause: err,
    });
  }
  return createReadStream(file, { highWaterMark: 1 << 18 });
}

async function load(
  { connection, signal }: Agent,
  archive: Readable,
  references: string[],
): Promise<agentv1.LoadReply> {
  const call = connection.duplex(agentv1.ImagesService.load, signal);
  const sending = (async () => {
    if (references.length > 0) await call.send({ references });
    for await (const piece of archive as AsyncIterable<Buffer>) await call.send({ data: piece });
    call.end();
  })();
  // The reply, or the refusal, may come before everything is sent.
  let reply: agentv1.LoadReply | undefined;
  const receiving = (async () => {
    for await (const one of call.replies) reply = one;
  })();
  try {
    await Promise.race([receiving, sending.then(() => receiving)]);
  } finally {
    archive.destroy();
    await sending.catch(() => {});
  }
  if (reply === undefined) throw new CliError('the agent gave no answer');
  return reply;
}

async function list({ connection, signal }: Agent, terminal: Terminal, options: ImageOptions): Promise<void> {
  const { images = [] } = await connection.unary(agentv1.ImagesService.list, {}, signal);
  const idOf = (one: agentv1.Image): string => {
    const id = (one.id ?? '').replace(/^sha256:/, '');
    return options.trunc === false ? id : id.slice(0, 12);
  };
  if (options.quiet === true) {
    for (const one of images) terminal.stdout.write(`${idOf(one)}\n`);
    return;
  }
  const rows = images.flatMap((one) => {
    const references = (one.references ?? []).length === 0 ? ['<none>:<none>'] : (one.references ?? []);
    return references.map((reference) => {
      const colon = reference.lastIndexOf(':');
      const hasTag = colon > reference.lastIndexOf('/');
      const digest = options.digests === true ? [(one.digests ?? [])[0]?.replace(/^.*@/, '') ?? '<none>'] : [];
      const [name, tag] = hasTag ? [reference.slice(0, colon), reference.slice(colon + 1)] : [reference, '<none>'];
      return [name, tag, ...digest, idOf(one), humanBytes(one.sizeBytes ?? 0)];
    });
  });
  rows.sort((a, b) => `${a[0]}:${a[1]}`.localeCompare(`${b[0]}:${b[1]}`));
  terminal.stdout.write(
    formatTable([['IMAGE', 'TAG', ...(options.digests === true ? ['DIGEST'] : []), 'IMAGE ID', 'SIZE'], ...rows]),
  );
}

async function remove(
  { connection, signal }: Agent,
  terminal: Terminal,
  references: readonly string[],
  options: ImageOptions,
): Promise<void> {
  const errors: unknown[] = [];
  for (const reference of references) {
    try {
      const request = { reference, force: options.force === true };
      const { untagged = [], deleted = [] } = await connection.unary(agentv1.ImagesService.remove, request, signal);
      for (const name of untagged) terminal.stdout.write(`Untagged: ${name}\n`);
      for (const id of deleted) terminal.stdout.write(`Deleted: ${id}\n`);
    } catch (err) {
      errors.push(err);
    }
  }
  throwAll(errors);
}

async function pull({ connection, signal }: Agent, terminal: Terminal, reference: string): Promise<void> {
  const live = new LiveLines({
    write: (text) => terminal.stderr.write(text),
    isTerminal: terminal.stderr.isTerminal,
    columns: terminal.stderr.columns,
  });
  for await (const reply of connection.serverStream(agentv1.ImagesService.pull, { reference }, signal)) {
    if ((reply.progress ?? '') !== '') live.show([reply.progress ?? '']);
    if (reply.image === undefined) continue;
    live.clear();
    terminal.stdout.write(
      `Pulled image: ${(reply.image.references ?? [])[0] ?? reference} (${humanBytes(reply.image.sizeBytes ?? 0)})\n`,
    );
  }
}
