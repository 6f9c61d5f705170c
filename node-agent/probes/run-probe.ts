/** One look at a container: exec, HTTP, TCP or gRPC. Also the HTTP and exec forms of lifecycle hooks. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { errorMessage } from '../../lib/errors.ts';
import { integerOf } from '../../lib/int-or-string.ts';
import type { corev1 } from '../../proto/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { checkGrpcHealth } from './grpc-health.ts';

/** Which container, and how it is reached. */
export interface ProbeTarget {
  readonly containerId: string;
  readonly container: corev1.Container;
  /** The pod's address; the node's for host-network pods. */
  readonly host: string;
}

/** How the look went; the message explains a failure. */
export interface ProbeResult {
  readonly ok: boolean;
  readonly message: string;
}

const OK: ProbeResult = { ok: true, message: '' };
/** Kept of an answer or a command's output, in bytes. */
const MAX_OUTPUT_BYTES = 10 * 1024;

/** Looks once; never rejects. Whatever it started has ended when it settles. */
export async function runProbe(
  runtime: Pick<Runtime, 'execSync'>,
  target: ProbeTarget,
  probe: corev1.Probe,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ProbeResult> {
  try {
    if (probe.exec !== undefined) return await runExec(runtime, target, probe.exec, options);
    if (probe.httpGet !== undefined) return await httpGet(target, probe.httpGet, options);
    if (probe.tcpSocket !== undefined) return await tcpConnect(target, probe.tcpSocket, options);
    if (probe.grpc !== undefined) {
      const address = `${bracketed(target.host)}:${probe.grpc.port}`;
      return await checkGrpcHealth(address, probe.grpc.service ?? '', options);
    }
    return { ok: false, message: 'the probe has no handler' };
  } catch (err) {
    return { ok: false, message: errorMessage(err) };
  }
}

/** Runs a command in the container; not ok when it fails or lasts longer than the timeout. */
export async function runExec(
  runtime: Pick<Runtime, 'execSync'>,
  target: ProbeTarget,
  action: corev1.ExecAction,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ProbeResult> {
  const argv = action.command ?? [];
  const result = await runtime.execSync(target.containerId, {
    argv,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
    maxOutputBytes: MAX_OUTPUT_BYTES,
  });
  if (result.timedOut) {
    return {
      ok: false,
      message: `command ${JSON.stringify(argv.join(' '))} timed out after ${options.timeoutMs / 1000}s`,
    };
  }
  return { ok: result.exitCode === 0, message: `${result.stdout}${result.stderr}` };
}

/** Asks over HTTP; ok for 200 to 399. */
export function httpGet(
  target: ProbeTarget,
  action: corev1.HTTPGetAction,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ProbeResult> {
  const port = portNumber(action.port, target.container);
  if (port === undefined) return Promise.resolve(noPort(action.port));
  const secure = action.scheme === 'HTTPS';
  const host = action.host || target.host;
  const path = action.path || '/';
  const url = `${secure ? 'https' : 'http'}://${bracketed(host)}:${port}${path.startsWith('/') ? path : `/${path}`}`;
  const headers: Record<string, string> = { 'User-Agent': 'kube-probe/1.37', Accept: '*/*', Connection: 'close' };
  for (const { name = '', value = '' } of action.httpHeaders ?? []) headers[name] = value;
  return new Promise((resolve) => {
    const failed = (why: string): void => settle({ ok: false, message: `Get "${url}": ${why}` });
    const settle = (result: ProbeResult): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      request.destroy();
      resolve(result);
    };
    const onAbort = (): void => failed('context canceled');
    const timer = setTimeout(
      () => failed('context deadline exceeded (Client.Timeout exceeded while awaiting headers)'),
      options.timeoutMs,
    );
    const request = (secure ? https : http).request(
      url,
      // A probe looks whether the server answers, not who it is, as everywhere in Kubernetes.
      { headers, agent: false, ...(secure ? { rejectUnauthorized: false } : {}) },
      (response) => {
        response.on('error', () => undefined);
        response.resume();
        const code = response.statusCode ?? 0;
        settle(code >= 200 && code < 400 ? OK : { ok: false, message: `HTTP probe failed with statuscode: ${code}` });
      },
    );
    request.on('error', (err) => failed(dialMessage(err, `${bracketed(host)}:${port}`)));
    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) onAbort();
    request.end();
  });
}

function tcpConnect(
  target: ProbeTarget,
  action: corev1.TCPSocketAction,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ProbeResult> {
  const port = portNumber(action.port, target.container);
  if (port === undefined) return Promise.resolve(noPort(action.port));
  const host = action.host || target.host;
  return new Promise((resolve) => {
    const settle = (result: ProbeResult): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(result);
    };
    const address = `${bracketed(host)}:${port}`;
    const onAbort = (): void => settle({ ok: false, message: `dial tcp ${address}: operation was canceled` });
    const timer = setTimeout(
      () => settle({ ok: false, message: `dial tcp ${address}: i/o timeout` }),
      options.timeoutMs,
    );
    const socket = net.connect({ host, port });
    socket.once('connect', () => settle(OK));
    socket.once('error', (err) => settle({ ok: false, message: dialMessage(err, address) }));
    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) onAbort();
  });
}

/** The port a probe means: a number, or the name of one of the container's ports. */
export function portNumber(port: string | undefined, container: corev1.Container): number | undefined {
  const number = integerOf(port);
  if (number !== undefined) return number > 0 && number < 65_536 ? number : undefined;
  return (container.ports ?? []).find((candidate) => candidate.name === port)?.containerPort;
}

function noPort(port: string | undefined): ProbeResult {
  return { ok: false, message: `the container has no port ${JSON.stringify(port ?? '')}` };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Connection errors in the words people know from Kubernetes. */
function dialMessage(err: Error, address: string): string {
  const code = 'code' in err ? String(err.code) : '';
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ECONNRESET: 'read: connection reset by peer',
    ETIMEDOUT: 'connect: connection timed out',
  };
  return `dial tcp ${address}: ${known[code] ?? err.message}`;
}
