/** The standard gRPC health check, as far as a probe needs it. */
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { ProbeResult } from './run-probe.ts';

const METHOD = '/grpc.health.v1.Health/Check';
const SERVING = 1;

/** Asks the server at `address` (host:port, no TLS) about `service`; ok when it serves. */
export function checkGrpcHealth(
  address: string,
  service: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ProbeResult> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.enable_retries': 0 });
  return new Promise((resolve) => {
    const settle = (result: ProbeResult): void => {
      options.signal.removeEventListener('abort', onAbort);
      client.close();
      resolve(result);
    };
    const call = client.makeUnaryRequest(
      METHOD,
      encodeRequest,
      decodeStatus,
      service,
      { deadline: Date.now() + options.timeoutMs },
      (err: ServiceError | null, serving?: number) => {
        if (err !== null) settle({ ok: false, message: failure(err, address) });
        else if (serving === SERVING) settle({ ok: true, message: '' });
        else settle({ ok: false, message: `service unhealthy (responded with "${statusName(serving)}")` });
      },
    );
    const onAbort = (): void => call.cancel();
    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) onAbort();
  });
}

/** HealthCheckRequest { string service = 1 }. Names longer than 127 bytes need a second length byte. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return Buffer.alloc(0);
  const length = name.length < 128 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...length]), name]);
}

/** HealthCheckResponse { ServingStatus status = 1 }: unset is 0, UNKNOWN. */
function decodeStatus(bytes: Buffer): number {
  return bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0;
}

function statusName(value: number | undefined): string {
  return ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'][value ?? 0] ?? 'UNKNOWN';
}

function failure(err: ServiceError, address: string): string {
  if (err.code === status.DEADLINE_EXCEEDED) return `timeout: health rpc did not complete within the probe's timeout`;
  if (err.code === status.UNIMPLEMENTED)
    return 'this server does not implement the grpc health protocol (grpc.health.v1.Health)';
  return `timeout: failed to connect service "${address}": ${err.details}`;
}
