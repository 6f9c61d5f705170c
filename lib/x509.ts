/**
 * Certificates of a cluster's own CA: X.509 v3, ECDSA P-256 with SHA-256, made by `@peculiar/x509` over Node's web crypto.
 * That library is loaded only when something is signed: a start that finds good certificates does not pay for it.
 * Reading and verifying is left to Node's `X509Certificate` and to TLS.
 */
import { createPrivateKey, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

/** Who a certificate names. Groups become organizations. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

/** From when until when a certificate is good. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** What to put into a certificate that serves or calls over TLS as named. */
export interface LeafCertificate extends Validity {
  readonly subject: Subject;
  readonly usage: readonly ('server' | 'client')[];
  /** DNS names and IP addresses a server goes by. */
  readonly names?: readonly string[];
}

/** A certificate and its key, as PEM. */
export interface KeyPairPem {
  readonly cert: string;
  readonly key: string;
}

type Library = typeof import('@peculiar/x509');

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const KEY_USES: webcrypto.KeyUsage[] = ['sign', 'verify'];

/** A new CA that may only sign, for keys made here. */
export async function makeCa(subject: Subject, { notBefore, notAfter }: Validity): Promise<KeyPairPem> {
  const x509 = await library();
  const keys = await newKeys();
  const keyId = await x509.SubjectKeyIdentifierExtension.create(keys.publicKey);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: distinguishedName(subject),
    keys,
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      keyId,
      new x509.AuthorityKeyIdentifierExtension(keyId.keyId),
    ],
  });
  return pair(certificate, keys);
}

/** A certificate signed by `ca`, for keys made here. */
export async function signCertificate(leaf: LeafCertificate, ca: KeyPairPem): Promise<KeyPairPem> {
  const x509 = await library();
  const keys = await newKeys();
  const issuer = new x509.X509Certificate(ca.cert);
  const { names = [], notBefore, notAfter } = leaf;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: distinguishedName(leaf.subject),
    // As it stands in the CA's certificate: verifiers compare the bytes of the name, and the key id with it.
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await importKey(ca.key),
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await authorityKeyId(x509, issuer),
      new x509.ExtendedKeyUsageExtension(
        leaf.usage.map((use) => x509.ExtendedKeyUsage[use === 'server' ? 'serverAuth' : 'clientAuth']),
      ),
      ...(names.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension(
              names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
            ),
          ]),
    ],
  });
  return pair(certificate, keys);
}

/** Its dependency injection wants the metadata polyfill before it. */
async function library(): Promise<Library> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, KEY_USES);
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

async function pair(certificate: { toString(format: 'pem'): string }, keys: webcrypto.CryptoKeyPair) {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' });
  return { cert: `${certificate.toString('pem')}\n`, key: key.toString() };
}

/** The key id that the CA's certificate says; another would make the chain invalid. */
async function authorityKeyId(x509: Library, issuer: InstanceType<Library['X509Certificate']>) {
  const own = issuer.getExtension(x509.SubjectKeyIdentifierExtension);
  return own === null
    ? x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)
    : new x509.AuthorityKeyIdentifierExtension(own.keyId);
}

/** Organizations first, then the common name; any text is allowed, so nothing here may be parsed. */
function distinguishedName({ commonName, organizations = [] }: Subject): Record<string, string[]>[] {
  return [...organizations.map((name) => ({ O: [name] })), { CN: [commonName] }];
}
