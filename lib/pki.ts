/**
 * The cluster's certificates, as files under one folder:
 *
 *   ca.crt ca.key              signs everything below but etcd's
 *   server.crt server.key      what the API serves with
 *   agent-client.crt, .key     what the server calls agents with
 *   admin.crt admin.key        the administrator (group system:masters)
 *   sa.key sa.pub              signs and verifies tokens of service accounts (made by the server)
 *   etcd/ca.crt … client.crt   the embedded etcd's own CA: no certificate of the cluster opens it
 *
 * Certificates start well in the past, because a machine without a clock battery boots in it. All but the CAs are made
 * anew when they are near their end or their names have changed. Keys are 0600; files appear whole or not at all.
 */
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { ADMIN_GROUP, AGENT_CALLER, NODE_USER_PREFIX, NODES_GROUP, SERVER_NAME } from './pki-names.ts';
import { type KeyPairPem, type LeafCertificate, makeCa, signCertificate, signRequest } from './x509.ts';

export { ADMIN_GROUP, AGENT_CALLER, NODES_GROUP, SERVER_NAME } from './pki-names.ts';
export type { KeyPairPem } from './x509.ts';

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const LEAF_DAYS = 1825;
/** How far in the past certificates start. */
const BACKDATED_MS = 3650 * DAY_MS;
/** No clock that is right shows an earlier time. */
const EARLIEST_NOW_MS = Date.UTC(2026, 0, 1);
/** A certificate with less left than this is made anew. */
const RENEW_BEFORE_MS = 365 * DAY_MS;

/** What every certificate of the cluster comes from, and the files for this server. */
export interface ClusterPki {
  readonly folder: string;
  /** The CA's certificate, PEM. */
  readonly ca: string;
  readonly server: KeyPairPem;
  readonly agentClient: KeyPairPem;
  readonly admin: KeyPairPem;
  readonly etcd: EtcdPki;
  /** Signs a certificate for an agent: client of the server, and server to it. Names are its addresses and host name. */
  signNode(node: string, names: readonly string[]): Promise<KeyPairPem>;
  /**
   * Signs the key of an agent's own request, good for `lifeMs` from now: PEM. The only name in it is the node's, which callers
   * verify by; addresses change. Throws when the request is none.
   */
  signNodeRequest(node: string, request: string, lifeMs: number): Promise<string>;
}

/** Certificates of the embedded etcd; the files etcd reads itself, and what its client needs. */
export interface EtcdPki {
  readonly caFile: string;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  readonly peerCertFile: string;
  readonly peerKeyFile: string;
  readonly ca: string;
  readonly client: KeyPairPem;
}

/** How the certificates are made. */
export interface PkiOptions {
  /** Names and addresses the API may be reached by, besides localhost. */
  readonly names: readonly string[];
  readonly now?: () => number;
}

/** Reads the cluster's certificates from `folder`, making what is missing, near its end or for other names. */
export async function ensureClusterPki(folder: string, options: PkiOptions): Promise<ClusterPki> {
  const now = options.now ?? Date.now;
  mkdirSync(join(folder, 'etcd'), { recursive: true, mode: 0o700 });
  const ca = await ensureCa(folder, 'skiff-ca', now);
  const local = ['localhost', '127.0.0.1', '::1'];
  const serverNames = [...new Set([...local, SERVER_NAME, ...options.names])];
  const leaf = (name: string, request: LeafRequest): Promise<KeyPairPem> =>
    ensureLeaf(join(folder, name), ca, { now, ...request });
  const server = await leaf('server', {
    subject: { commonName: 'skiff-server' },
    usage: ['server'],
    names: serverNames,
  });
  const agentClient = await leaf('agent-client', { subject: { commonName: AGENT_CALLER }, usage: ['client'] });
  const administrator = { commonName: 'admin', organizations: [ADMIN_GROUP] };
  const admin = await leaf('admin', { subject: administrator, usage: ['client'] });
  return {
    folder,
    ca: ca.cert,
    server,
    agentClient,
    admin,
    etcd: await ensureEtcdPki(join(folder, 'etcd'), local, now),
    signNode: async (node, names) => signLeaf(ca, { now, ...nodeRequest(node, names) }),
    signNodeRequest: async (node, request, lifeMs) =>
      signRequest(request, { ...nodeRequest(node, []), ...validFrom(now(), lifeMs) }, ca),
  };
}

async function ensureEtcdPki(folder: string, names: readonly string[], now: () => number): Promise<EtcdPki> {
  const ca = await ensureCa(folder, 'skiff-etcd-ca', now);
  const leaf = (name: string, request: LeafRequest): Promise<KeyPairPem> =>
    ensureLeaf(join(folder, name), ca, { now, ...request });
  await leaf('server', { subject: { commonName: 'etcd' }, usage: ['server', 'client'], names });
  await leaf('peer', { subject: { commonName: 'etcd-peer' }, usage: ['server', 'client'], names });
  return {
    caFile: join(folder, 'ca.crt'),
    serverCertFile: join(folder, 'server.crt'),
    serverKeyFile: join(folder, 'server.key'),
    peerCertFile: join(folder, 'peer.crt'),
    peerKeyFile: join(folder, 'peer.key'),
    ca: ca.cert,
    client: await leaf('client', { subject: { commonName: 'skiff-server' }, usage: ['client'] }),
  };
}

/**
 * Reads a node's certificate `<base>.crt` and `<base>.key`, or signs one with the CA in `pkiFolder` when it is missing, near
 * its end or for other names. For the machine that has the CA: `skiff up`.
 */
export async function ensureNodeCertificate(
  pkiFolder: string,
  base: string,
  node: { readonly name: string; readonly names: readonly string[] },
): Promise<KeyPairPem> {
  const now = Date.now;
  const ca = await ensureCa(pkiFolder, 'skiff-ca', now);
  return ensureLeaf(base, ca, { now, ...nodeRequest(node.name, node.names) });
}

function nodeRequest(node: string, names: readonly string[]): LeafRequest {
  if (node === SERVER_NAME || names.includes(SERVER_NAME)) {
    throw new Error(`Cannot sign a certificate for node "${node}": the name ${SERVER_NAME} belongs to servers`);
  }
  return {
    subject: { commonName: `${NODE_USER_PREFIX}${node}`, organizations: [NODES_GROUP] },
    usage: ['server', 'client'],
    names: [...new Set([node, ...names])],
  };
}

/**
 * The pin of a CA, by which a machine that joins knows the cluster it joins: `sha256:` and the hash of its public key
 * (SubjectPublicKeyInfo, DER) in hex. Throws for what is no certificate.
 */
export function caPin(pem: string): string {
  const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/** From when to when a certificate of this cluster is meant to be used: its first moment stands well before it was made. */
export function certificateLife(pem: string): { readonly madeAtMs: number; readonly endsAtMs: number } {
  const { validFrom: from, validTo } = new X509Certificate(pem);
  const [startsAtMs, endsAtMs] = [Date.parse(from), Date.parse(validTo)];
  // A person's own certificate may start when it was made.
  const madeAtMs = startsAtMs + BACKDATED_MS < endsAtMs ? startsAtMs + BACKDATED_MS : startsAtMs;
  return { madeAtMs, endsAtMs };
}

/** Addresses of this machine that others may use: all but loopback and link-local ones. */
export function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return [...new Set(all.filter((a) => !a.internal && !a.address.startsWith('fe80:')).map((a) => a.address))].sort();
}

async function ensureCa(folder: string, commonName: string, now: () => number): Promise<KeyPairPem> {
  const base = join(folder, 'ca');
  const found = readPair(base);
  if (found !== undefined) return found;
  const made = await makeCa({ commonName }, validFrom(now(), CA_DAYS * DAY_MS));
  writePair(base, made);
  return made;
}

type LeafRequest = Pick<LeafCertificate, 'subject' | 'usage' | 'names'>;

async function ensureLeaf(
  base: string,
  ca: KeyPairPem,
  request: LeafRequest & { readonly now: () => number },
): Promise<KeyPairPem> {
  const found = readPair(base);
  if (found !== undefined && stillGood(found, ca, request)) return found;
  const pair = await signLeaf(ca, request);
  writePair(base, pair);
  return pair;
}

function stillGood(
  pair: KeyPairPem,
  ca: KeyPairPem,
  { names = [], now }: LeafRequest & { now: () => number },
): boolean {
  const certificate = new X509Certificate(pair.cert);
  const issuer = new X509Certificate(ca.cert);
  if (!certificate.verify(issuer.publicKey) || !certificate.checkPrivateKey(createPrivateKey(pair.key))) return false;
  if (Date.parse(certificate.validTo) - now() < RENEW_BEFORE_MS) return false;
  return names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) !== undefined : certificate.checkIP(name) !== undefined,
  );
}

function signLeaf(ca: KeyPairPem, request: LeafRequest & { readonly now: () => number }): Promise<KeyPairPem> {
  const { now, ...rest } = request;
  return signCertificate({ ...rest, ...validFrom(now(), LEAF_DAYS * DAY_MS) }, ca);
}

function validFrom(nowMs: number, lifeMs: number): { notBefore: Date; notAfter: Date } {
  // Never before 1971: some readers take what is near the epoch for "unset".
  const notBefore = new Date(Math.max(nowMs - BACKDATED_MS, 31_536_000_000));
  // A clock that has not been set yet must not make certificates that have ended once it is.
  return { notBefore, notAfter: new Date(Math.max(nowMs, EARLIEST_NOW_MS) + lifeMs) };
}

function readPair(base: string): KeyPairPem | undefined {
  try {
    return { cert: readFileSync(`${base}.crt`, 'utf8'), key: readFileSync(`${base}.key`, 'utf8') };
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return undefined;
    throw new Error(`Cannot read the certificate ${base}.crt: ${err instanceof Error ? err.message : String(err)}`, {
      cause: err,
    });
  }
}

/** Keeps a pair as `<base>.crt` and `<base>.key`. The key goes first: a certificate is there only when its key is. */
export function writePair(base: string, { cert, key }: KeyPairPem): void {
  writeWhole(`${base}.key`, key, 0o600);
  writeWhole(`${base}.crt`, cert, 0o644);
}

function writeWhole(file: string, text: string, mode: number): void {
  const temporary = `${file}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, text, { mode, flag: 'wx' });
  chmodSync(temporary, mode);
  renameSync(temporary, file);
}
