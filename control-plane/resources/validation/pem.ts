/** The outer form of PEM and DER: enough to tell a certificate request from something else, without reading it. */

/** One block of a PEM text. */
export interface PemBlock {
  /** What the block says it holds: `CERTIFICATE`. */
  readonly label: string;
  readonly der: Uint8Array;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;
const SEQUENCE = 0x30;

/** The blocks of a PEM text, in order; none when it is no PEM. */
export function readPem(bytes: Uint8Array): PemBlock[] {
  const text = Buffer.from(bytes).toString('latin1');
  return [...text.matchAll(BLOCK)].map(([, label = '', body = '']) => ({ label, der: Buffer.from(body, 'base64') }));
}

/** Whether `der` is exactly one sequence, as certificates and requests are. */
export function isDerSequence(der: Uint8Array): boolean {
  const [tag, first = 0] = der;
  if (tag !== SEQUENCE || der.length < 2) return false;
  if (first < 0x80) return der.length === 2 + first;
  const count = first & 0x7f;
  if (count === 0 || count > 4 || der.length < 2 + count) return false;
  const length = der.subarray(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0);
  return der.length === 2 + count + length;
}
