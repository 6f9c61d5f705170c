/** What a machine that joined keeps of its cluster, and to which cluster a machine belongs. */
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { caPin } from '../../lib/pki.ts';
import { NODE_USER_PREFIX } from '../../lib/pki-names.ts';
import type { ClusterLayout } from '../cluster/layout.ts';
import type { NodeCredentials } from './request-certificate.ts';

/** Paths of the files. */
export interface NodeFiles {
  readonly ca: string;
  /** Folder of the three below. */
  readonly agentDir: string;
  /** Certificate and key are this with `.crt` and `.key`. */
  readonly base: string;
  /** `{"servers": ["host:port", …]}`: where the agent finds the API. */
  readonly servers: string;
  /** `{"args": […]}`: how the agent was started when the machine joined, for the next start. */
  readonly options: string;
}

/** What a machine is to a cluster. */
export type Membership =
  | { readonly role: 'none' }
  /** It runs a control plane of its own. */
  | { readonly role: 'server' }
  | { readonly role: 'node'; readonly nodeName: string; readonly servers: readonly string[]; readonly pin: string };

/** The files of a layout. */
export function nodeFiles({ dataDir, pkiDir }: ClusterLayout): NodeFiles {
  const agentDir = join(dataDir, 'agent');
  return {
    ca: join(pkiDir, 'ca.crt'),
    agentDir,
    base: join(agentDir, 'agent'),
    servers: join(agentDir, 'servers.json'),
    options: join(agentDir, 'options.json'),
  };
}

/** To which cluster this machine belongs, from its files alone. */
export function membershipOf(layout: ClusterLayout): Membership {
  const files = nodeFiles(layout);
  if (existsSync(join(layout.pkiDir, 'ca.key'))) return { role: 'server' };
  const certificate = read(`${files.base}.crt`);
  if (certificate === undefined) return { role: 'none' };
  const ca = read(files.ca);
  return {
    role: 'node',
    nodeName: nodeNameOf(certificate),
    servers: readServers(files.servers),
    pin: ca === undefined ? '' : caPin(ca),
  };
}

/** The node a certificate names; empty when it names none. */
function nodeNameOf(pem: string): string {
  const line = new X509Certificate(pem).subject.split('\n').find((one) => one.startsWith(`CN=${NODE_USER_PREFIX}`));
  return line?.slice(`CN=${NODE_USER_PREFIX}`.length) ?? '';
}

/** The servers in the file; none when it is not there or not readable. */
export function readServers(file: string): readonly string[] {
  return readTexts(file, 'servers') ?? [];
}

/** How the agent was started when the machine joined; undefined when that is not known. */
export function readAgentArgs(layout: ClusterLayout): readonly string[] | undefined {
  return readTexts(nodeFiles(layout).options, 'args');
}

function readTexts(file: string, field: string): readonly string[] | undefined {
  try {
    const list = (JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>)[field];
    return Array.isArray(list) ? list.filter((one): one is string => typeof one === 'string') : undefined;
  } catch {
    return undefined;
  }
}

/** Writes all files, each whole or not at all; the certificate, by which a machine counts as joined, last. */
export function writeNodeFiles(
  layout: ClusterLayout,
  { ca, certificate, key, servers }: NodeCredentials,
  agentArgs: readonly string[],
): void {
  const files = nodeFiles(layout);
  mkdirSync(layout.pkiDir, { recursive: true, mode: 0o700 });
  mkdirSync(files.agentDir, { recursive: true, mode: 0o700 });
  writeWhole(files.ca, ca);
  writeWhole(files.servers, `${JSON.stringify({ servers })}\n`);
  writeWhole(files.options, `${JSON.stringify({ args: agentArgs })}\n`);
  writeWhole(`${files.base}.key`, key, 0o600);
  writeWhole(`${files.base}.crt`, certificate);
}

/** Takes them away again. */
export function removeNodeFiles(layout: ClusterLayout): void {
  const { agentDir } = nodeFiles(layout);
  rmSync(agentDir, { recursive: true, force: true });
  rmSync(layout.pkiDir, { recursive: true, force: true });
}

function writeWhole(file: string, text: string, mode = 0o644): void {
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, text, { mode, flag: 'wx' });
  renameSync(`${file}.new`, file);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
