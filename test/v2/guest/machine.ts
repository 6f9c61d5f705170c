/** The emulated machine from inside: running the product, reading objects and cgroups. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../harness/wait.ts';

/** What a command printed and how it ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A pod as far as the checks look at it. */
export interface GuestPod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly containerID?: string;
      readonly state: { readonly terminated?: { readonly exitCode: number; readonly reason: string } };
    }[];
  };
}

/** Emulation is ten to twenty times slower than a machine. */
export const PATIENCE_MS = 240_000;
const POLL_MS = 1500;

/** Where the v2 tree is. */
export const CGROUPS = '/sys/fs/cgroup';

/** Runs a program to its end, with input. Killed after {@link PATIENCE_MS}. */
export function command(argv: readonly string[], stdin = ''): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? 128, stdout, stderr: signal === null ? stderr : `${stderr}(ended by ${signal})` });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}

/** `skiff <args>`, whatever its exit code. */
export function skiff(args: readonly string[], stdin = ''): Promise<CommandResult> {
  return command([process.execPath, '/opt/skiff/bin/skiff', ...args], stdin);
}

/** `skiff <args>`, which must succeed; its output. */
export async function ok(args: readonly string[], stdin = ''): Promise<string> {
  const { code, stdout, stderr } = await skiff(args, stdin);
  if (code !== 0) throw new Error(`skiff ${args.join(' ')} ended with ${code}\n${stderr}${stdout}`);
  return stdout;
}

/** Applies one object. */
export function apply(object: object): Promise<string> {
  return ok(['apply', '-f', '-'], JSON.stringify(object));
}

/** One pod. */
export async function pod(name: string): Promise<GuestPod> {
  return JSON.parse(await ok(['get', 'pod', name, '-o', 'json'])) as GuestPod;
}

/** Pods with a label. */
export async function pods(selector: string): Promise<readonly GuestPod[]> {
  const list = JSON.parse(await ok(['get', 'pods', '-l', selector, '-o', 'json'])) as { items: readonly GuestPod[] };
  return list.items;
}

/** Waits with the machine's slowness in mind. */
export function eventually<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
  return waitFor(what, probe, { timeoutMs: PATIENCE_MS, everyMs: POLL_MS });
}

/** Waits until a pod is Ready, and returns it. */
export function ready(name: string): Promise<GuestPod> {
  return eventually(`pod ${name} to be ready`, async () => {
    const found = await pod(name);
    if (isReady(found)) return found;
    throw new Error(JSON.stringify(found.status));
  });
}

/** Waits until a pod's container has ended, and returns how. */
export function ended(name: string): Promise<{ readonly exitCode: number; readonly reason: string }> {
  return eventually(`pod ${name} to end`, async () => {
    const { status } = await pod(name);
    const terminated = status.containerStatuses?.[0]?.state.terminated;
    if (terminated !== undefined) return terminated;
    throw new Error(JSON.stringify(status));
  });
}

/** Whether the pod's Ready condition is true. */
export function isReady({ status }: GuestPod): boolean {
  return (status.conditions ?? []).some((c) => c.type === 'Ready' && c.status === 'True');
}

/** A pod of one busybox container that runs a shell script. */
export function busyboxPod(name: string, script: string, container: object = {}, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'busybox:1.36', command: ['sh', '-c', script], ...container }],
      ...spec,
    },
  };
}

/** The cgroup folder of a pod: found by its uid, wherever in the tree. */
export function podCgroup(of: GuestPod): string {
  const found = below(`${CGROUPS}/skiff`).find((folder) => folder.endsWith(`/pod${of.metadata.uid}`));
  if (found === undefined) throw new Error(`pod ${of.metadata.name} has no cgroup`);
  return found;
}

/** The cgroup folder of a pod's only container. */
export function containerCgroup(of: GuestPod): string {
  const id = of.status.containerStatuses?.[0]?.containerID?.replace(/^.*\/\//, '') ?? 'nothing';
  const folder = join(podCgroup(of), id);
  if (!existsSync(folder)) throw new Error(`the container of pod ${of.metadata.name} has no cgroup ${folder}`);
  return folder;
}

/** A folder and every folder below it. */
export function below(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const children = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [folder, ...children.flatMap((entry) => below(join(folder, entry.name)))];
}

/** A file's text without the end of its last line; empty when it is not there. */
export function read(...path: readonly string[]): string {
  try {
    return readFileSync(join(...path), 'utf8').trimEnd();
  } catch {
    return '';
  }
}

/** The number after a key in a file such as cpu.stat. */
export function stat(folder: string, file: string, key: string): number {
  const line = read(folder, file)
    .split('\n')
    .find((text) => text.startsWith(`${key} `));
  if (line === undefined) throw new Error(`${folder}/${file} has no ${key}`);
  return Number(line.slice(key.length + 1));
}

/** Processes directly in a cgroup. */
export function processesIn(folder: string): number[] {
  return read(folder, 'cgroup.procs').split('\n').filter(Boolean).map(Number);
}
