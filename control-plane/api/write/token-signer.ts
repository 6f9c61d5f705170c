import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';

const ALGORITHM = 'ES256';

/** Who issues tokens, and for whom they are unless said. The name that Kubernetes gives its API inside a cluster. */
export const TOKEN_ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** What a token says. Times are whole seconds since the epoch. */
export interface TokenClaims {
  readonly subject: string;
  readonly audiences: readonly string[];
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly id: string;
  /** The claim `kubernetes.io`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Signs tokens of service accounts. */
export interface TokenSigner {
  /** A compact JSON Web Token. */
  sign(claims: TokenClaims): Promise<string>;
  /** PEM of the key that verifies them. */
  readonly publicKey: string;
}

/**
 * The cluster's signer: its key is `sa.key` (0600) in the folder of the cluster's certificates, made on first use; `sa.pub` beside it is for
 * those who verify. Servers of one cluster share it as they share the CA.
 */
export function loadTokenSigner(pkiFolder: string): TokenSigner {
  mkdirSync(pkiFolder, { recursive: true, mode: 0o700 });
  const file = join(pkiFolder, 'sa.key');
  if (!existsSync(file)) makeKey(file);
  const key = createPrivateKey(readFileSync(file, 'utf8'));
  const publicKey = createPublicKey(key);
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  writeFileSync(join(pkiFolder, 'sa.pub'), pem, { mode: 0o644 });
  const keyId = keyIdOf(publicKey);
  return {
    publicKey: pem,
    sign: ({ subject, audiences, issuedAt, expiresAt, id, details }) =>
      new SignJWT({ 'kubernetes.io': details })
        .setProtectedHeader({ alg: ALGORITHM, kid: keyId })
        .setIssuer(TOKEN_ISSUER)
        .setSubject(subject)
        .setAudience([...audiences])
        .setIssuedAt(issuedAt)
        .setNotBefore(issuedAt)
        .setExpirationTime(expiresAt)
        .setJti(id)
        .sign(key),
  };
}

/** Makes a key; of two servers that start at once one makes it, and both use that. */
function makeKey(file: string): void {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  chmodSync(temporary, 0o600);
  try {
    linkSync(temporary, file);
  } catch (err) {
    if (!existsSync(file)) throw new Error(`Cannot write ${file}: ${String(err)}`, { cause: err });
  } finally {
    rmSync(temporary, { force: true });
  }
}

function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}
