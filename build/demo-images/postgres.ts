/** Debian's PostgreSQL as the image of that name is known: data in /var/lib/postgresql/data, user and password from the environment. */

import type { ImageSpec, LayerFile } from '../../lib/oci-image-writer.ts';
import { busyboxLayer, PATH_VARIABLE } from './busybox.ts';
import { hostFile, hostFolder, onePerPath, sharedLibraries } from './host-files.ts';

/** The version that examples name. */
export const POSTGRES_REFERENCES = ['docker.io/library/postgres:15-alpine', 'docker.io/library/postgres:15'];

const HOME = '/usr/lib/postgresql/15';
const PACKAGE = 'postgresql-15';

/** Makes the data folder at the first start, then runs the server as its user. */
const ENTRY = `#!/bin/sh
set -e
export PGDATA=\${PGDATA:-/var/lib/postgresql/data} TZ=UTC LC_ALL=C
mkdir -p "$PGDATA" && chown -R postgres "$PGDATA" && chmod 700 "$PGDATA"
as() { exec su -s /bin/sh postgres -c 'exec "$0" "$@"' -- "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf '%s' "\${POSTGRES_PASSWORD:-}" >/tmp/password
  chown postgres /tmp/password
  (as ${HOME}/bin/initdb -U "\${POSTGRES_USER:-postgres}" -A scram-sha-256 --pwfile=/tmp/password --no-sync)
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
as ${HOME}/bin/postgres -c 'listen_addresses=*' -c unix_socket_directories=/tmp
`;

/** The client alone, for images that ask the server. */
export async function psqlFiles(): Promise<LayerFile[]> {
  const program = `${HOME}/bin/psql`;
  return [hostFile(program, { debianPackage: PACKAGE, as: '/usr/bin/psql' }), ...(await sharedLibraries(program))];
}

/** One server under each name. */
export async function postgresImages(references: readonly string[]): Promise<ImageSpec[]> {
  return [
    {
      references,
      layers: [await busyboxLayer(), await serverLayer()],
      config: {
        Env: [PATH_VARIABLE],
        Cmd: ['/usr/local/bin/postgres-entry'],
        StopSignal: 'SIGINT',
        ExposedPorts: { '5432/tcp': {} },
      },
    },
  ];
}

async function serverLayer(): Promise<LayerFile[]> {
  const programs = ['postgres', 'initdb'].map((name) => `${HOME}/bin/${name}`);
  const libraries = await Promise.all(programs.map((program) => sharedLibraries(program)));
  return onePerPath([
    ...programs.map((program) => hostFile(program, { debianPackage: PACKAGE })),
    ...libraries.flat(),
    // Modules of the server, without what only its compiler of queries needs.
    ...hostFolder(`${HOME}/lib`).filter(({ path }) => path.endsWith('.so') && !path.includes('llvmjit')),
    ...hostFolder('/usr/share/postgresql/15'),
    ...['UTC', 'GMT'].map((zone) => hostFile(`/usr/share/zoneinfo/${zone}`, { debianPackage: 'tzdata' })),
    {
      kind: 'file',
      path: 'etc/passwd',
      content: 'root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\n',
    },
    { kind: 'file', path: 'etc/group', content: 'root:x:0:\npostgres:x:999:\n' },
    { kind: 'file', path: 'usr/local/bin/postgres-entry', content: ENTRY, mode: 0o755 },
  ]);
}
