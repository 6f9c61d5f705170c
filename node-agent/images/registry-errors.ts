/** What skopeo says, as what a caller can do about it. The one place where its text is looked at. */

import type { ImageErrorCode } from './image-store.ts';

/** First match wins: a refusal may speak of the manifest too. */
const PATTERNS: readonly (readonly [ImageErrorCode, RegExp])[] = [
  ['Failed', /no space left on device|disk quota exceeded/i],
  [
    'Unauthorized',
    /unauthorized|authentication required|invalid username\/password|access .{0,40}denied|\bdenied\b|forbidden|status: 40[13]\b|\b40[13] \(/i,
  ],
  ['NotFound', /manifest unknown|name unknown|not found|NAME_UNKNOWN|MANIFEST_UNKNOWN|repository name not known/i],
  ['WrongPlatform', /no image found in (manifest list|image index)/i],
  ['InvalidImage', /digest did not match|digest mismatch|does not match|unexpected end of JSON|invalid character/i],
  [
    'Unreachable',
    /connection refused|no such host|i\/o timeout|timeout|network is unreachable|no route to host|connection reset|\bEOF\b|tls:|x509:|HTTP response to HTTPS client|toomanyrequests|too many requests|temporary failure|status(?: code)?:? 5\d\d|50\d |pinging container registry|server misbehaving/i,
  ],
];

/** The last complaint among skopeo's log lines, without time, level and the name it starts with. */
export function skopeoComplaint(stderr: string): string {
  const lines = stderr.trim().split('\n');
  const fatal = lines.findLast((line) => line.includes('level=fatal') || line.startsWith('FATA')) ?? lines.at(-1) ?? '';
  const quoted = /msg=("(?:[^"\\]|\\.)*")/.exec(fatal)?.[1];
  const text = quoted === undefined ? fatal.replace(/^.*msg=/, '') : unquote(quoted);
  return text
    .replace(/^(Error )?(parsing|initializing source|reading) (image name )?"?docker:\/\/[^"\s]+"?: /i, '')
    .replace(/(manifest unknown): manifest unknown$/, '$1')
    .slice(0, 1000);
}

/** What kind of failure a complaint is. */
export function classifyComplaint(complaint: string): ImageErrorCode {
  return PATTERNS.find(([, pattern]) => pattern.test(complaint))?.[0] ?? 'Failed';
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
