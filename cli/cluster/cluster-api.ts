/** What `up` and `down` ask the cluster itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasReason } from '../../lib/errors.ts';
import { ApiClient } from '../api/api-client.ts';
import { GrpcConnection } from '../connection/grpc-connection.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, textAt } from '../resources/fields.ts';
import type { LocalCluster } from './cluster-options.ts';

/** Where the API of this machine's cluster listens. */
export const LOCAL_ENDPOINT = '127.0.0.1:7443';

/** Runs `body` with an API client that uses the administrator's certificate; throws what connecting throws. */
export async function withClusterApi<T>(
  cluster: LocalCluster,
  signal: AbortSignal,
  body: (api: ApiClient) => Promise<T>,
): Promise<T> {
  const pem = (file: string): string => readFileSync(join(cluster.layout.pkiDir, file), 'utf8');
  const tls = { ca: pem('ca.crt'), cert: pem('admin.crt'), key: pem('admin.key') };
  const connection = await GrpcConnection.open({ endpoints: [LOCAL_ENDPOINT], tls, connectTimeoutMs: 2000 }, signal);
  try {
    return await body(new ApiClient(connection, { signal, requestTimeoutMs: 5000, warn: () => {} }));
  } finally {
    connection.close();
  }
}

/** Whether the node is Ready; otherwise why not, as far as it says. */
export async function nodeReadiness(api: ApiClient, name: string): Promise<{ ready: boolean; message: string }> {
  let node: JsonObject;
  try {
    node = (await api.get({ resource: 'nodes', name })).object;
  } catch (err) {
    if (!hasReason(err, 'NotFound')) throw err;
    return { ready: false, message: 'it has not registered yet' };
  }
  return readinessOf(node);
}

/** What a Node says of itself. */
export function readinessOf(node: JsonObject): { ready: boolean; message: string } {
  const condition = listAt(node, 'status', 'conditions').find((one) => textAt(one, 'type') === 'Ready');
  if (condition === undefined) return { ready: false, message: 'it has no status yet' };
  return { ready: textAt(condition, 'status') === 'True', message: textAt(condition, 'message') };
}
