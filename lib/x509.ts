/**
 * Writes X.509 v3 certificates, signed with ECDSA P-256 and SHA-256, in DER. Just what a cluster's own CA needs; reading
 * and verifying is left to Node's `X509Certificate` and to TLS.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** Who a certificate names. Groups become organizations. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

/** What to put into a certificate. */
export interface CertificateRequest {
  readonly subject: Subject;
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** A CA may only sign; the others only serve TLS as named. */
  readonly usage: 'ca' | readonly ('server' | 'client')[];
  /** DNS names and IP addresses a server goes by. */
  readonly names?: readonly string[];
}

/** Who signs. */
export interface Issuer {
  readonly subject: Subject;
  readonly privateKey: KeyObject;
}

/** A fresh P-256 key pair. */
export function generateKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

/** A signed certificate as PEM. */
export function signCertificate(request: CertificateRequest, issuer: Issuer): string {
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serialNumber()),
    algorithm,
    distinguishedName(issuer.subject),
    sequence(time(request.notBefore), time(request.notAfter)),
    distinguishedName(request.subject),
    spki(request.publicKey),
    explicit(3, sequence(...extensions(request, issuer))),
  );
  const signature = sign('sha256', body, issuer.privateKey);
  return toPem(sequence(body, algorithm, bitString(signature)));
}

function extensions(request: CertificateRequest, issuer: Issuer): Buffer[] {
  const { usage, names = [] } = request;
  const isCa = usage === 'ca';
  const list = [
    extension('2.5.29.19', true, isCa ? sequence(boolean(true), integer(Buffer.from([0]))) : sequence()),
    // keyCertSign and cRLSign, or digitalSignature.
    extension('2.5.29.15', true, isCa ? bits(0x06, 1) : bits(0x80, 7)),
    extension('2.5.29.14', false, octets(keyId(request.publicKey))),
    extension('2.5.29.35', false, sequence(implicit(0, keyId(createPublicKey(issuer.privateKey))))),
  ];
  if (!isCa) {
    const uses = usage.map((use) => oid(use === 'server' ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2'));
    list.push(extension('2.5.29.37', false, sequence(...uses)));
  }
  if (names.length > 0) {
    const encoded = names.map((name) =>
      isIP(name) === 0 ? implicit(2, Buffer.from(name, 'latin1')) : implicit(7, ipBytes(name)),
    );
    list.push(extension('2.5.29.17', false, sequence(...encoded)));
  }
  return list;
}

/** Bytes of an IPv4 or IPv6 address. */
function ipBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] =>
    text === ''
      ? []
      : text.split(':').flatMap((part) => {
          if (!part.includes('.')) return [Number.parseInt(part, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all = [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

function keyId(publicKey: KeyObject): Buffer {
  return createHash('sha1').update(spki(publicKey)).digest();
}

function spki(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  // Positive and never starting with a zero byte.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function distinguishedName({ commonName, organizations = [] }: Subject): Buffer {
  const attribute = (type: string, value: string): Buffer => set(sequence(oid(type), tagged(0x0c, Buffer.from(value))));
  return sequence(...organizations.map((name) => attribute('2.5.4.10', name)), attribute('2.5.4.3', commonName));
}

function extension(type: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octets(value));
}

/** UTCTime until 2049, GeneralizedTime after, as RFC 5280 wants. */
function time(date: Date): Buffer {
  const digits = `${date.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`;
  return date.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(digits.slice(2), 'latin1'))
    : tagged(0x18, Buffer.from(digits, 'latin1'));
}

function tagged(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), length(content.length), content]);
}

function length(size: number): Buffer {
  if (size < 0x80) return Buffer.from([size]);
  const bytes: number[] = [];
  for (let rest = size; rest > 0; rest >>>= 8) bytes.unshift(rest & 255);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function set(...parts: readonly Buffer[]): Buffer {
  return tagged(0x31, Buffer.concat(parts));
}

function explicit(number: number, content: Buffer): Buffer {
  return tagged(0xa0 | number, content);
}

function implicit(number: number, content: Buffer): Buffer {
  return tagged(0x80 | number, content);
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]));
}

function octets(content: Buffer): Buffer {
  return tagged(0x04, content);
}

function bitString(content: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), content]));
}

function bits(value: number, unused: number): Buffer {
  return tagged(0x03, Buffer.from([unused, value]));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 127];
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 127) | 128);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
