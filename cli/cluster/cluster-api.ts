/** What `up` and `down` ask the cluster itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient } from '../api/api-client.ts';
import { GrpcConnection } from '../connection/grpc-connection.ts';
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

interface NodeJson {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

/** Whether the node is Ready; otherwise why not, as far as it says. */
export async function nodeReadiness(api: ApiClient, name: string): Promise<{ ready: boolean; message: string }> {
  const { items } = await api.list({ resource: 'nodes' }, { fieldSelector: `metadata.name=${name}` });
  const node = items[0] as NodeJson | undefined;
  if (node === undefined) return { ready: false, message: 'it has not registered yet' };
  const condition = node.status?.conditions?.find((c) => c.type === 'Ready');
  return { ready: condition?.status === 'True', message: condition?.message ?? 'it has no status yet' };
}
