import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterPki, ensureClusterPki, type KeyPairPem } from '../../lib/pki.ts';
import { agentv1, type corev1, KINDS, streamsv1 } from '../../proto/index.ts';
import { waitFor } from '../../test/harness/wait.ts';
import { parseConfig } from '../config.ts';
import { MemoryAgent } from '../testing/memory-agent.ts';
import { startAgentServer } from './agent-server.ts';

describe('what the agent serves', () => {
  let agent: MemoryAgent;
  let pki: ClusterPki;
  let folder: string;
  let port: number;
  let done: Promise<void>;
  let pod: corev1.Pod;
  const stop = new AbortController();
  let imageChanges = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'skiff-pki-'));
    pki = await ensureClusterPki(folder, { names: [] });
    const pair = await pki.signNode('node', ['127.0.0.1']);
    writeFileSync(join(folder, 'node.crt'), pair.cert);
    writeFileSync(join(folder, 'node.key'), pair.key);
    agent = new MemoryAgent();
    await agent.start();
    mkdirSync(join(agent.root, 'run/skiff'), { recursive: true });
    const config = parseConfig([
      ...['--root', agent.root, '--listen', '127.0.0.1:0', '--ca-file', join(folder, 'ca.crt')],
      ...['--cert-file', join(folder, 'node.crt'), '--key-file', join(folder, 'node.key')],
    ]);
    const parts = { workers: agent.workers, runtime: agent.runtime, images: agent.images, log: agent.log };
    const serving = await startAgentServer({ config, ...parts, imagesChanged: () => (imageChanges += 1) }, stop.signal);
    ({ port, done } = serving);
    pod = await agent.createPod({ containers: [{ name: 'c', image: 'app:1' }] });
    pod = await waitFor('the pod to run', async () => {
      const found = await agent.api.get(KINDS.Pod, { namespace: 'default', name: 'p' });
      return found.status?.phase === 'Running' ? found : undefined;
    });
  });

  afterAll(async () => {
    stop.abort();
    await done;
    await agent.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function streams(pair: KeyPairPem): streamsv1.StreamsClient {
    const creds = ChannelCredentials.createSsl(Buffer.from(pki.ca), Buffer.from(pair.key), Buffer.from(pair.cert));
    return new streamsv1.StreamsClient(`127.0.0.1:${port}`, creds, { 'grpc.ssl_target_name_override': 'node' });
  }

  async function logs(request: streamsv1.LogsRequest, pair = pki.agentClient): Promise<string> {
    const client = streams(pair);
    const chunks: Buffer[] = [];
    try {
      await new Promise<void>((resolve, reject) => {
        client
          .logs({ namespace: 'default', pod: 'p', ...request })
          .on('data', ({ data }: streamsv1.LogsReply) => chunks.push(Buffer.from(data ?? [])))
          .on('error', reject)
          .on('end', resolve);
      });
    } finally {
      client.close();
    }
    return Buffer.concat(chunks).toString();
  }

  async function exec(start: streamsv1.ExecStart, input?: string) {
    const client = streams(pki.agentClient);
    const result = { stdout: '', stderr: '', exit: undefined as streamsv1.ExecExit | undefined };
    try {
      await new Promise<void>((resolve, reject) => {
        const call = client.exec();
        call.on('data', (reply: streamsv1.ExecReply) => {
          result.stdout += Buffer.from(reply.stdout ?? []).toString();
          result.stderr += Buffer.from(reply.stderr ?? []).toString();
          result.exit = reply.exit ?? result.exit;
        });
        call.on('error', reject).on('end', resolve);
        call.write({ start: { namespace: 'default', pod: 'p', ...start } });
        if (input !== undefined) call.write({ stdin: Buffer.from(input) });
        call.write({ stdinClosed: true });
      });
    } finally {
      client.close();
    }
    return result;
  }

  const logFile = (attempt: number): string =>
    join(agent.root, 'var/log/pods', `default_p_${pod.metadata?.uid}`, 'c', `${attempt}.log`);

  test('logs, whole, from the end, with times, cut', async () => {
    mkdirSync(dirname(logFile(0)), { recursive: true });
    const lines = ['2026-01-01T00:00:01.000000000Z stdout F one', '2026-01-01T00:00:02.000000000Z stderr F two', ''];
    writeFileSync(logFile(0), lines.join('\n'));
    expect(await logs({})).toBe('one\ntwo\n');
    expect(await logs({ tailLines: 1 })).toBe('two\n');
    expect(await logs({ timestamps: true, sinceTime: '2026-01-01T00:00:02Z' })).toBe(
      '2026-01-01T00:00:02.000000000Z two\n',
    );
    expect(await logs({ limitBytes: 5 })).toBe('one\nt');
  });

  test('times in logs are printed in UTC, whatever zone the monitor wrote them in', async () => {
    mkdirSync(dirname(logFile(0)), { recursive: true });
    const lines = [
      '2026-01-01T00:00:01.123456789+00:00 stdout F a',
      '2026-01-01T01:00:02.000000001+01:30 stdout F b',
      '',
    ];
    writeFileSync(logFile(0), lines.join('\n'));
    expect(await logs({ timestamps: true })).toBe(
      '2026-01-01T00:00:01.123456789Z a\n2025-12-31T23:30:02.000000001Z b\n',
    );
  });

  test.each<[streamsv1.LogsRequest, RegExp]>([
    [{ pod: 'absent' }, /NOT_FOUND: pods "absent" not found/],
    [{ container: 'x' }, /INVALID_ARGUMENT: container x is not valid for pod p/],
    [{ previous: true }, /previous terminated container "c" in pod "p" not found/],
    [{ sinceTime: 'yesterday' }, /is not RFC 3339/],
  ])('logs of %j are refused', async (request, message) => {
    await expect(logs(request)).rejects.toThrow(message);
  });

  test('nobody but the control plane is let in', async () => {
    const admin = pki.admin;
    await expect(logs({}, admin)).rejects.toThrow('only the control plane may call this');
    await expect(logs({}, await pki.signNode('other', []))).rejects.toThrow('only the control plane may call this');
  });

  test('a command runs, with its output and exit code', async () => {
    expect(await exec({ command: ['echo', 'hello'] })).toMatchObject({ stdout: 'hello\n', exit: {} });
    expect((await exec({ command: ['sh', '-c', 'exit 7'] })).exit).toEqual({ code: 7 });
  });

  test('images are listed, pulled with progress, removed', async () => {
    const { socket } = { socket: join(agent.root, 'run/skiff/agent.sock') };
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const client = new agentv1.ImagesClient(`unix:${socket}`, credentials.createInsecure());
    const list = (): Promise<string[]> =>
      new Promise((resolve, reject) => {
        client.list({}, (err, reply) =>
          err === null ? resolve((reply?.images ?? []).flatMap(({ references = [] }) => references)) : reject(err),
        );
      });
    expect(await list()).toEqual(['docker.io/library/app:1']);
    agent.images.publish('more:2', {});
    const progress: string[] = [];
    await new Promise<void>((resolve, reject) => {
      client
        .pull({ reference: 'more:2' })
        .on('data', (reply: agentv1.PullImageReply) =>
          progress.push(reply.progress ?? reply.image?.references?.[0] ?? ''),
        )
        .on('error', reject)
        .on('end', resolve);
    });
    expect(progress).toEqual(['downloading 0/1', 'done', 'docker.io/library/more:2']);
    const removed = await new Promise((resolve, reject) => {
      client.remove({ reference: 'more:2' }, (err, reply) => (err === null ? resolve(reply?.untagged) : reject(err)));
    });
    expect(removed).toEqual(['docker.io/library/more:2']);
    expect(imageChanges).toBe(2);
    await expect(
      new Promise((_, reject) => client.remove({ reference: 'none:1' }, (err) => reject(err))),
    ).rejects.toThrow('NOT_FOUND: Cannot remove the image none:1: it is not on this node');
    client.close();
  });
});
