import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { aborted } from '../lib/aborted.ts';
import type { ResourceClient } from '../lib/client/resource-client.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { type ClusterPki, ensureClusterPki, machineAddresses } from '../lib/pki.ts';
import { primaryAddress } from '../lib/primary-address.ts';
import { processRef } from '../lib/process.ts';
import type { KubeObject } from '../proto/index.ts';
import { admissionSteps } from './api/admission/admission-steps.ts';
import { acceptCustomNames } from './api/custom/accept-custom-names.ts';
import { CustomKinds } from './api/custom/custom-kinds.ts';
import { LiveKindRegistry } from './api/custom/live-registry.ts';
import { noNewCustomObjects } from './api/custom/no-new-custom-objects.ts';
import { ApiServer } from './api/grpc/api-server.ts';
import { JoinServer } from './api/grpc/join.ts';
import { hostPort, knownServers } from './api/join/known-servers.ts';
import { nodeSigner } from './api/join/node-certificates.ts';
import { nodeSettings } from './api/join/node-settings.ts';
import { LocalResourceClient } from './api/local-client.ts';
import type { ApiServices, KindRegistry } from './api/services.ts';
import { storedObjectDecoder } from './api/stored-object.ts';
import { AgentCalls } from './api/streams/agent-calls.ts';
import { loadTokenSigner } from './api/write/token-signer.ts';
import type { ServerConfig } from './config.ts';
import { keepServerLease } from './controllers/api-endpoints/server-lease.ts';
import type { Store } from './store/store.ts';
import { WatchCache } from './store/watch-cache.ts';
import { ensureSystemObjects } from './system-namespaces.ts';

/** What keeps the state: the store, and what belongs to it. */
export interface Backend {
  readonly store: Store;
  /** For writes that only the leader may make. */
  readonly fencedStore: Store;
  readonly etcdVersion: string;
  /** Leads, in terms, until `signal` aborts. */
  readonly elect: (lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal) => Promise<void>;
  /** Releases connections; with `stopEtcd`, our own etcd ends too. */
  readonly close: () => Promise<void>;
}

/** Opens the backend. `pki` is what our own etcd would need. */
export type OpenBackend = (
  config: ServerConfig,
  context: { readonly pki: ClusterPki; readonly log: Logger; readonly identity: string; readonly signal: AbortSignal },
) => Promise<Backend>;

/** What the leader runs, each until `signal` aborts. The client speaks for that part of the system. */
export interface LeaderTask {
  /** User of its requests. */
  readonly user: string;
  readonly run: (
    client: ResourceClient,
    context: { readonly log: Logger; readonly config: ServerConfig; readonly registry: KindRegistry },
    signal: AbortSignal,
  ) => Promise<void>;
}

/** What a server is made of besides its options. */
export interface ServerParts {
  readonly openBackend: OpenBackend;
  readonly leaderTasks: readonly LeaderTask[];
  readonly version: string;
  readonly gitCommit: string;
  readonly descriptorsFile: string | undefined;
  readonly log: Logger;
}

/** A server that serves. */
export interface RunningServer {
  /** Where the API listens: the port asked for, or the one found when that was 0. */
  readonly port: number;
  /** The same for machines that join. */
  readonly joinPort: number;
  readonly pki: ClusterPki;
  readonly services: ApiServices;
  /** Settles when the server has stopped: after `signal` aborted, or with the error that ended it. */
  readonly stopped: Promise<void>;
}

/** How long a stopping server waits for its controllers. */
const LEAVE_OFFICE_MS = 5_000;

/**
 * Starts a server and resolves when it serves: certificates, store, cache, API, then the leader's tasks. It stops when
 * `signal` aborts: readiness drops, calls under way end, watches close, and everything it opened is released.
 */
export async function startServer(
  config: ServerConfig,
  parts: ServerParts,
  signal: AbortSignal,
): Promise<RunningServer> {
  const { log } = parts;
  mkdirSync(config.runDir, { recursive: true, mode: 0o700 });
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const addresses = machineAddresses();
  const pki = await ensureClusterPki(config.pkiDir, { names: namesOf(config, addresses) });
  const pidFile = writePidFile(config.runDir);
  // What runs beneath the API stops after it.
  const beneath = new AbortController();
  const leaving = new AbortController();
  const identity = serverIdentity(config.dataDir);
  const backend = await parts.openBackend(config, { pki, log, identity, signal });
  const registry = new LiveKindRegistry();
  const cache = new WatchCache<KubeObject>({
    store: backend.store,
    decode: storedObjectDecoder(registry),
    log,
  });
  const admission = [
    ...admissionSteps({
      tolerations: {
        notReadySeconds: config.notReadyTolerationSeconds,
        unreachableSeconds: config.unreachableTolerationSeconds,
      },
      log,
    }),
    noNewCustomObjects,
    acceptCustomNames,
  ];
  const tokens = loadTokenSigner(config.pkiDir);
  const { serviceRange, podRange } = config;
  const services: ApiServices = {
    store: backend.store,
    cache,
    registry,
    admission,
    tokens,
    serviceRange,
    podRange,
    now: Date.now,
  };
  const cacheRun = cache.run(beneath.signal);
  let customKindsRun: Promise<void> | undefined;
  let leaseKept: Promise<void> | undefined;
  const agents = new AgentCalls({ ca: pki.ca, client: pki.agentClient });
  const { version, gitCommit, descriptorsFile } = parts;
  const facts = { version, gitCommit, etcdVersion: backend.etcdVersion };
  let port = config.listen.port;
  const servers = (): string[] => knownServers(services, hostPort(advertisedAddress(config), port));
  const signer = nodeSigner(pki, config.nodeCertificateLifeMs);
  const nodes = { signer, settings: () => nodeSettings(config, servers()) };
  const api = new ApiServer({ services, facts, agents, nodes, descriptorsFile, log });
  const joins = new JoinServer({ services, signer, servers, log });
  const release = async (): Promise<void> => {
    leaving.abort();
    await leaseKept;
    await Promise.all([api.close(), joins.close()]);
    agents.close();
    beneath.abort();
    await Promise.all([cacheRun, customKindsRun]);
    await backend.close();
    rmSync(pidFile, { force: true });
  };
  try {
    await cache.ready(signal);
    const customKinds = new CustomKinds({ cache, registry, log });
    // Whoever calls finds every kind that was there before this server was.
    await customKinds.ready();
    customKindsRun = customKinds.run(beneath.signal);
    const tls = { ca: pki.ca, certificate: pki.server };
    port = await api.listen(config.listen, tls);
    const joinPort = await joins.listen(config.joinListen, tls);
    const leaderServices = { ...services, store: backend.fencedStore };
    const elected = backend.elect((term) => lead(config, parts, { services: leaderServices, term }), signal);
    const client = new LocalResourceClient(services, 'system:control-plane');
    await ensureSystemObjects(client, { log, signal });
    const address = (): string => hostPort(advertisedAddress(config), port);
    leaseKept = keepServerLease({ client, identity, address, log }, AbortSignal.any([signal, leaving.signal]));
    api.setReady(true);
    log.info({ port, joinPort, host: config.listen.host, addresses }, 'the API serves');
    return { port, joinPort, pki, services, stopped: whenStopped(signal, elected, release) };
  } catch (err) {
    await release();
    throw err;
  }
}

/** Names and addresses of the API, for its certificate. */
function namesOf({ advertiseAddress, advertiseNames }: ServerConfig, addresses: readonly string[]): string[] {
  return [hostname(), ...addresses, ...(advertiseAddress === undefined ? [] : [advertiseAddress]), ...advertiseNames];
}

/** Where nodes find this server; looked up anew each time, since addresses of machines change. */
function advertisedAddress({ advertiseAddress, listen: { host }, podRange, serviceRange }: ServerConfig): string {
  if (advertiseAddress !== undefined) return advertiseAddress;
  return host === '0.0.0.0' || host === '::' ? primaryAddress([podRange.cidr, serviceRange.cidr]) : host;
}

async function whenStopped(signal: AbortSignal, elected: Promise<void>, release: () => Promise<void>): Promise<void> {
  try {
    await Promise.race([aborted(signal), elected]);
    // Whoever led gets a moment to end what is under way; a task that hangs must not keep the server from stopping.
    await Promise.race([elected, delay(LEAVE_OFFICE_MS, undefined, { ref: false })]);
  } finally {
    await release();
  }
}

/** Runs every task of the leader until the term ends; settles when all have ended. One that fails ends the term. */
async function lead(
  config: ServerConfig,
  { leaderTasks, log }: ServerParts,
  { services, term }: { readonly services: ApiServices; readonly term: AbortSignal },
): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([term, failed.signal]);
  const tasks = leaderTasks.map(({ user, run }) =>
    run(
      new LocalResourceClient(services, user),
      { log: log.child({ user }), config, registry: services.registry },
      signal,
    ).catch((err: unknown) => {
      failed.abort();
      throw err;
    }),
  );
  const results = await Promise.allSettled([...tasks, aborted(signal)]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Names this server in elections: the same after a restart. */
function serverIdentity(dataDir: string): string {
  const file = join(dataDir, 'server-id');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const identity = `${hostname()}-${randomUUID()}`;
  writeFileSync(`${file}.new`, `${identity}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return identity;
}

/** Says which process serves: pid and start time, so that a reused pid is not mistaken for it. */
function writePidFile(runDir: string): string {
  const file = join(runDir, 'server.json');
  const ref = processRef(process.pid);
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify({ version: 1, ...ref })}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (err) {
    throw new Error(`Cannot write ${file}: ${errorMessage(err)}`, { cause: err });
  }
  return file;
}
