/** A web server that says hello, its version and the name of the machine it runs on: for scaling and rolling. */

import type { ImageSpec } from '../../lib/oci-image-writer.ts';
import { busyboxLayer, PATH_VARIABLE } from './busybox.ts';

/** Two versions, so that one can roll to the other. */
export const HELLO_REFERENCES = ['skiff.local/hello:1', 'skiff.local/hello:2'];

/** A process with number 1 ignores signals it has no handler for, and busybox httpd has none. */
const START = `#!/bin/sh
httpd -f -p "$PORT" -h /www &
server=$!
trap 'kill $server; exit 0' TERM INT QUIT
echo "hello version $VERSION listens on port $PORT"
wait $server
`;

/** httpd runs it for / when there is no index.html; nothing is written, so a read-only root and any user will do. */
const PAGE = `#!/bin/sh
printf 'Content-Type: text/html\\r\\n\\r\\n'
echo "<!doctype html><title>Hello</title><h1>Hello from $(hostname)</h1><p>This is version $VERSION.</p>"
`;

/** One image for each reference; its version is the tag. */
export async function helloImages(references: readonly string[]): Promise<ImageSpec[]> {
  const base = await busyboxLayer();
  return references.map((reference) => ({
    references: [reference],
    layers: [
      base,
      [
        { kind: 'file', path: 'usr/local/bin/hello', mode: 0o755, content: START },
        { kind: 'file', path: 'www/cgi-bin/index.cgi', mode: 0o755, content: PAGE },
      ],
    ],
    config: {
      Env: [PATH_VARIABLE, 'PORT=8080', `VERSION=${reference.slice(reference.lastIndexOf(':') + 1)}`],
      Entrypoint: ['/usr/local/bin/hello'],
      User: '65534:65534',
      ExposedPorts: { '8080/tcp': {} },
    },
  }));
}
