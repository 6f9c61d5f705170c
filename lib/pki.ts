/**
 * The cluster's certificates, as files under one folder:
 *
 *   ca.crt ca.key              signs everything below but etcd's
 *   server.crt server.key      what the API serves with
 *   agent-client.crt, .key     what the server calls agents with
 *   admin.crt admin.key        the administrator (group system:masters)
 *   etcd/ca.crt … client.crt   the embedded etcd's own CA: no certificate of the cluster opens it
 *
 * Certificates start well in the past, because a machine without a clock battery boots in it. All but the CAs are made
 * anew when they are near their end or their names have changed. Keys are 0600; files appear whole or not at all.
 */
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { ADMIN_GROUP, AGENT_CALLER, NODE_USER_PREFIX, NODES_GROUP, SERVER_NAME } from './pki-names.ts';
import { generateKeys, type Issuer, type Subject, signCertificate } from './x509.ts';

/** A certificate and its key, as PEM. */
export interface KeyPairPem {
  readonly cert: string;
  readonly key: string;
}

export { ADMIN_GROUP, AGENT_CALLER, NODES_GROUP, SERVER_NAME } from './pki-names.ts';

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
  signNode(node: string, names: readonly string[]): KeyPairPem;
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
export function ensureClusterPki(folder: string, options: PkiOptions): ClusterPki {
  const now = options.now ?? Date.now;
  mkdirSync(join(folder, 'etcd'), { recursive: true, mode: 0o700 });
  const ca = ensureCa(folder, 'skiff-ca', now);
  const local = ['localhost', '127.0.0.1', '::1'];
  const serverNames = [...new Set([...local, SERVER_NAME, ...options.names])];
  const leaf = (name: string, request: LeafRequest): KeyPairPem =>
    ensureLeaf(join(folder, name), ca, { now, ...request });
  const etcdFolder = join(folder, 'etcd');
  const etcdCa = ensureCa(etcdFolder, 'skiff-etcd-ca', now);
  const etcdLeaf = (name: string, request: LeafRequest): KeyPairPem =>
    ensureLeaf(join(etcdFolder, name), etcdCa, { now, ...request });
  etcdLeaf('server', { subject: { commonName: 'etcd' }, usage: ['server', 'client'], names: local });
  etcdLeaf('peer', { subject: { commonName: 'etcd-peer' }, usage: ['server', 'client'], names: local });
  return {
    folder,
    ca: ca.cert,
    server: leaf('server', { subject: { commonName: 'skiff-server' }, usage: ['server'], names: serverNames }),
    agentClient: leaf('agent-client', { subject: { commonName: AGENT_CALLER }, usage: ['client'] }),
    admin: leaf('admin', { subject: { commonName: 'admin', organizations: [ADMIN_GROUP] }, usage: ['client'] }),
    etcd: {
      caFile: join(etcdFolder, 'ca.crt'),
      serverCertFile: join(etcdFolder, 'server.crt'),
      serverKeyFile: join(etcdFolder, 'server.key'),
      peerCertFile: join(etcdFolder, 'peer.crt'),
      peerKeyFile: join(etcdFolder, 'peer.key'),
      ca: etcdCa.cert,
      client: etcdLeaf('client', { subject: { commonName: 'skiff-server' }, usage: ['client'] }),
    },
    signNode: (node, names) => signLeaf(ca, { now, ...nodeRequest(node, names) }),
  };
}

/**
 * Reads a node's certificate `<base>.crt` and `<base>.key`, or signs one with the CA in `pkiFolder` when it is missing, near
 * its end or for other names. For the machine that has the CA: `skiff up`.
 */
export function ensureNodeCertificate(
  pkiFolder: string,
  base: string,
  node: { readonly name: string; readonly names: readonly string[] },
): KeyPairPem {
  const now = Date.now;
  const ca = ensureCa(pkiFolder, 'skiff-ca', now);
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

/** Addresses of this machine that others may use: all but loopback and link-local ones. */
export function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return [...new Set(all.filter((a) => !a.internal && !a.address.startsWith('fe80:')).map((a) => a.address))].sort();
}

interface Authority extends Issuer {
  readonly cert: string;
}

function ensureCa(folder: string, commonName: string, now: () => number): Authority {
  const base = join(folder, 'ca');
  const found = readPair(base);
  if (found !== undefined)
    return { subject: { commonName }, privateKey: createPrivateKey(found.key), cert: found.cert };
  const { publicKey, privateKey } = generateKeys();
  const subject = { commonName };
  const validity = validFrom(now(), CA_DAYS);
  const cert = signCertificate({ subject, publicKey, ...validity, usage: 'ca' }, { subject, privateKey });
  writePair(base, { cert, key: keyPem(privateKey) });
  return { subject, privateKey, cert };
}

interface LeafRequest {
  readonly subject: Subject;
  readonly usage: readonly ('server' | 'client')[];
  readonly names?: readonly string[];
}

function ensureLeaf(base: string, ca: Authority, request: LeafRequest & { readonly now: () => number }): KeyPairPem {
  const found = readPair(base);
  if (found !== undefined && stillGood(found, ca, request)) return found;
  const pair = signLeaf(ca, request);
  writePair(base, pair);
  return pair;
}

function stillGood(pair: KeyPairPem, ca: Authority, { names = [], now }: LeafRequest & { now: () => number }): boolean {
  const certificate = new X509Certificate(pair.cert);
  const issuer = new X509Certificate(ca.cert);
  if (!certificate.verify(issuer.publicKey) || !certificate.checkPrivateKey(createPrivateKey(pair.key))) return false;
  if (Date.parse(certificate.validTo) - now() < RENEW_BEFORE_MS) return false;
  return names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) !== undefined : certificate.checkIP(name) !== undefined,
  );
}

function signLeaf(ca: Authority, request: LeafRequest & { readonly now: () => number }): KeyPairPem {
  const { publicKey, privateKey } = generateKeys();
  const { now, ...rest } = request;
  const cert = signCertificate({ ...rest, publicKey, ...validFrom(now(), LEAF_DAYS) }, ca);
  return { cert, key: keyPem(privateKey) };
}

function validFrom(nowMs: number, days: number): { notBefore: Date; notAfter: Date } {
  // Never before 1971: some readers take what is near the epoch for "unset".
  const notBefore = new Date(Math.max(nowMs - BACKDATED_MS, 31_536_000_000));
  // A clock that has not been set yet must not make certificates that have ended once it is.
  return { notBefore, notAfter: new Date(Math.max(nowMs, EARLIEST_NOW_MS) + days * DAY_MS) };
}

function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
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

/** The key goes first: a certificate is there only when its key is. */
function writePair(base: string, { cert, key }: KeyPairPem): void {
  writeWhole(`${base}.key`, key, 0o600);
  writeWhole(`${base}.crt`, cert, 0o644);
}

function writeWhole(file: string, text: string, mode: number): void {
  const temporary = `${file}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, text, { mode, flag: 'wx' });
  chmodSync(temporary, mode);
  renameSync(temporary, file);
}
