/** The API as this machine's own node may use it: with the certificate the agent has. */
import { readFileSync } from 'node:fs';
import { SERVER_NAME } from '../../lib/pki.ts';
import { ApiClient } from '../api/api-client.ts';
import type { LocalCluster } from '../cluster/cluster-options.ts';
import { GrpcConnection } from '../connection/grpc-connection.ts';
import { nodeFiles, readServers } from './node-files.ts';

/** Runs `body` with an API client of the node; no connection and no request takes longer than `timeoutMs`. */
export async function withNodeApi<T>(
  { layout }: LocalCluster,
  { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
  body: (api: ApiClient) => Promise<T>,
): Promise<T> {
  const files = nodeFiles(layout);
  const pem = (file: string): string => readFileSync(file, 'utf8');
  const tls = {
    ca: pem(files.ca),
    cert: pem(`${files.base}.crt`),
    key: pem(`${files.base}.key`),
    servername: SERVER_NAME,
  };
  const endpoints = readServers(files.servers);
  const connection = await GrpcConnection.open({ endpoints, tls, connectTimeoutMs: timeoutMs }, signal);
  try {
    return await body(new ApiClient(connection, { signal, requestTimeoutMs: timeoutMs, warn: () => {} }));
  } finally {
    connection.close();
  }
}
