/**
 * A stand-in for the front end of the guestbook example: the same addresses and the same two Redis services behind it, as a
 * page and a script of a few lines under busybox's web server.
 */

import type { ImageSpec, LayerFile } from '../../lib/oci-image-writer.ts';
import { busyboxLayer, PATH_VARIABLE } from './busybox.ts';

/** Where the front end of the guestbook example is looked for. */
export const GUESTBOOK_REPOSITORY = 'gcr.io/google_samples/gb-frontend';
/** The version that the documentation's example names. */
export const GUESTBOOK_REFERENCES = [`${GUESTBOOK_REPOSITORY}:v5`];

const PAGE = `<!doctype html>
<title>Guestbook</title>
<h1>Guestbook</h1>
<form action="/guestbook.php"><input name="value"><input type="hidden" name="cmd" value="set"><button>Submit</button></form>
<p><a href="/guestbook.php?cmd=get">Entries</a></p>
`;

/**
 * \`?cmd=set&key=messages&value=…\` writes to redis-leader, \`?cmd=get&key=messages\` reads from redis-follower; both speak Redis'
 * own inline protocol. Answers are the JSON of the original.
 */
const SCRIPT = `#!/bin/sh
value_of() { printf '%s' "$QUERY_STRING" | tr '&' '\\n' | sed -n "s/^$1=//p" | tr -cd 'A-Za-z0-9_.,%+-'; }
ask() { printf '%s\\r\\nQUIT\\r\\n' "$2" | nc -w 3 "$1" 6379; }
key=$(value_of key); key=\${key:-messages}
printf 'Content-Type: application/json\\r\\n\\r\\n'
case $(value_of cmd) in
  set)
    case $(ask redis-leader "SET $key $(value_of value)") in
      +OK*) printf '{"message": "Updated"}\\n' ;;
      *) printf '{"error": "redis-leader does not answer"}\\n' ;;
    esac ;;
  get)
    data=$(ask redis-follower "GET $key" | sed -n 2p | tr -d '\\r')
    printf '{"data": "%s"}\\n' "$data" ;;
  *) printf '{"error": "cmd must be set or get"}\\n' ;;
esac
`;

/** The image under each name. */
export async function guestbookImages(references: readonly string[]): Promise<ImageSpec[]> {
  const files: LayerFile[] = [
    { kind: 'file', path: 'var/www/index.html', content: PAGE },
    { kind: 'file', path: 'var/www/guestbook.php', content: SCRIPT, mode: 0o755 },
    { kind: 'file', path: 'etc/httpd.conf', content: '*.php:/bin/sh\n' },
  ];
  return [
    {
      references,
      layers: [await busyboxLayer(), files],
      config: {
        Env: [PATH_VARIABLE],
        Cmd: ['httpd', '-f', '-p', '80', '-h', '/var/www', '-c', '/etc/httpd.conf'],
        ExposedPorts: { '80/tcp': {} },
      },
    },
  ];
}
