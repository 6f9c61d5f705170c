/**
 * Who this node is: its key and certificate, as two files, and whoever uses them in this process. A new pair takes the place of the
 * old one without a moment in which the files do not fit together that cannot be mended:
 *
 *   write key.next, crt.next → rename key.next to key → rename crt.next to crt
 *
 * A process that ends between the renames leaves the new key and `crt.next`, which the next start puts in its place.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { errorMessage } from '../../lib/errors.ts';

/** Where the files are. */
export interface IdentityFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** CA, certificate and key, PEM. */
export interface NodeCredentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The node's credentials as they are now. */
export class NodeCertificate {
  readonly #files: IdentityFiles;
  readonly #listeners = new Set<(credentials: NodeCredentials) => void>();
  #current: NodeCredentials;

  private constructor(files: IdentityFiles, current: NodeCredentials) {
    this.#files = files;
    this.#current = current;
  }

  /** Reads the files; throws with the name of the one that cannot be used. */
  static read(files: IdentityFiles): NodeCertificate {
    return new NodeCertificate(files, readFiles(files));
  }

  /** What to use for a new connection. */
  get current(): NodeCredentials {
    return this.#current;
  }

  /** Calls `listener` after each change, until the function returned is called. */
  onChange(listener: (credentials: NodeCredentials) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Reads the files again: somebody else may have made the machine join anew. Tells whether they have changed. */
  reload(): boolean {
    const next = readFiles(this.#files);
    if (next.cert === this.#current.cert && next.ca === this.#current.ca) return false;
    this.#use(next);
    return true;
  }

  /** Keeps another pair of the same CA and uses it from now on. */
  replace({ cert, key }: Pick<NodeCredentials, 'cert' | 'key'>): void {
    const { certFile, keyFile } = this.#files;
    writeNew(`${keyFile}.next`, key, 0o600);
    writeNew(`${certFile}.next`, cert, 0o644);
    renameSync(`${keyFile}.next`, keyFile);
    renameSync(`${certFile}.next`, certFile);
    this.#use({ ...this.#current, cert, key });
  }

  #use(next: NodeCredentials): void {
    this.#current = next;
    for (const listener of this.#listeners) listener(next);
  }
}

function readFiles({ caFile, certFile, keyFile }: IdentityFiles): NodeCredentials {
  const [ca, key] = [readText(caFile), readText(keyFile)];
  const cert = readText(certFile);
  if (belongTogether(cert, key, certFile)) return { ca, cert, key };
  const next = `${certFile}.next`;
  if (existsSync(next)) {
    const newer = readText(next);
    if (belongTogether(newer, key, next)) {
      renameSync(next, certFile);
      return { ca, cert: newer, key };
    }
  }
  throw new Error(`Cannot use the certificate ${certFile}: it is not for the key ${keyFile}`);
}

function belongTogether(cert: string, key: string, file: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (err) {
    throw new Error(`Cannot use the certificate ${file}: ${errorMessage(err)}`, { cause: err });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (err) {
    throw new Error(`Cannot read the certificate file ${file}: ${errorMessage(err)}`, { cause: err });
  }
}

function writeNew(file: string, text: string, mode: number): void {
  rmSync(file, { force: true });
  writeFileSync(file, text, { mode, flag: 'wx' });
  chmodSync(file, mode);
}
