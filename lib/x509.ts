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
  const keys = await newKeys();
  return pair(await certificateFor(keys.publicKey, leaf, ca), keys);
}

/** A request for a certificate, PEM, and the new key it is for. */
export async function newCertificateRequest(
  commonName: string,
): Promise<{ readonly request: string; readonly key: string }> {
  const x509 = await library();
  const keys = await newKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: distinguishedName({ commonName }),
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { request: `${request.toString('pem')}\n`, key: await privatePem(keys) };
}

/**
 * A certificate signed by `ca` for the key of a request, PEM. Of the request nothing but its key is used. Throws when it is none,
 * is not signed with its own key, or its key is of another kind than ours.
 */
export async function signRequest(request: string, leaf: LeafCertificate, ca: KeyPairPem): Promise<string> {
  return `${(await certificateFor(await requestedKey(request), leaf, ca)).toString('pem')}\n`;
}

/** No request for one of our keys is nearly as long. */
const MAX_REQUEST_CHARS = 16_384;

async function requestedKey(pem: string): Promise<webcrypto.CryptoKey> {
  if (pem.length > MAX_REQUEST_CHARS) throw new Error('it is too long');
  const x509 = await library();
  let request: InstanceType<Library['Pkcs10CertificateRequest']>;
  let key: webcrypto.CryptoKey;
  let signed: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(pem);
    key = await request.publicKey.export(ALGORITHM, ['verify']);
    signed = await request.verify();
  } catch (err) {
    throw new Error('it is no request for a certificate with an ECDSA key on P-256', { cause: err });
  }
  if (!signed) throw new Error('it is not signed with its own key');
  return key;
}

async function certificateFor(publicKey: webcrypto.CryptoKey, leaf: LeafCertificate, ca: KeyPairPem) {
  const x509 = await library();
  const issuer = new x509.X509Certificate(ca.cert);
  const { names = [], notBefore, notAfter } = leaf;
  return x509.X509CertificateGenerator.create({
    subject: distinguishedName(leaf.subject),
    // As it stands in the CA's certificate: verifiers compare the bytes of the name, and the key id with it.
    issuer: issuer.subjectName,
    publicKey,
    signingKey: await importKey(ca.key),
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
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
  return { cert: `${certificate.toString('pem')}\n`, key: await privatePem(keys) };
}

async function privatePem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
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
