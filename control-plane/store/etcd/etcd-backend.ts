import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerConfig } from '../../config.ts';
import type { Backend, OpenBackend } from '../../server.ts';
import { Election } from './election.ts';
import { EmbeddedEtcd } from './embedded-etcd.ts';
import { EtcdClient, type EtcdConnection } from './etcd-client.ts';
import { EtcdStore } from './etcd-store.ts';

/** The backend over etcd: our own child, which outlives a crash of ours, or one that others run. */
export const openEtcdBackend: OpenBackend = async (config, { pki, log, identity, signal }) => {
  const supervision = new AbortController();
  const embedded = config.externalEtcd === undefined ? embeddedEtcd(config, { pki, log, identity, signal }) : undefined;
  await embedded?.start(signal);
  const supervised = embedded?.run(supervision.signal) ?? Promise.resolve();
  const client = new EtcdClient(embedded?.connection ?? (await externalConnection(config)));
  const prefix = config.etcdPrefix;
  const store = new EtcdStore({ client, prefix, log });
  const election = new Election({ client, prefix, identity, log });
  const close = async (): Promise<void> => {
    supervision.abort();
    await supervised;
    await store.close();
    await embedded?.stop();
  };
  try {
    const { version } = await client.status(signal);
    const backend: Backend = {
      store,
      fencedStore: store.fenced(election.fence),
      etcdVersion: version,
      elect: (lead, until) => election.run((term) => lead(term.signal), until),
      close,
    };
    return backend;
  } catch (err) {
    await close();
    throw err;
  }
};

function embeddedEtcd(config: ServerConfig, { pki, log }: Parameters<OpenBackend>[1]): EmbeddedEtcd {
  const { caFile, serverCertFile, serverKeyFile, peerCertFile, peerKeyFile, ca, client } = pki.etcd;
  return new EmbeddedEtcd({
    name: 'skiff',
    dataDir: join(config.dataDir, 'etcd'),
    stateDir: config.runDir,
    clientPort: config.etcdClientPort,
    peerPort: config.etcdPeerPort,
    clientTls: { caFile, certFile: serverCertFile, keyFile: serverKeyFile },
    peerTls: { caFile, certFile: peerCertFile, keyFile: peerKeyFile },
    tls: { ca: Buffer.from(ca), cert: Buffer.from(client.cert), key: Buffer.from(client.key) },
    log,
  });
}

async function externalConnection({ externalEtcd }: ServerConfig): Promise<EtcdConnection> {
  if (externalEtcd === undefined) throw new Error('no etcd is configured');
  const { endpoints, caFile, certFile, keyFile } = externalEtcd;
  if (caFile === '') return { endpoints };
  const [ca, cert, key] = await Promise.all([readFile(caFile), readFile(certFile), readFile(keyFile)]);
  return { endpoints, tls: { ca, cert, key } };
}
