/**
 * Stand-ins for the three programs of the voting example, each a script of a few lines: a page that takes votes into Redis, a worker
 * that carries them into PostgreSQL, a page that counts them there. Redis and PostgreSQL themselves are the real ones.
 */

import type { ImageSpec, LayerFile } from '../../lib/oci-image-writer.ts';
import { busyboxLayer, PATH_VARIABLE } from './busybox.ts';
import { onePerPath } from './host-files.ts';
import { psqlFiles } from './postgres.ts';

/** Where the programs are looked for. */
export const VOTING_REPOSITORIES = ['vote', 'worker', 'result'].map(
  (name) => `docker.io/dockersamples/examplevotingapp_${name}`,
);
/** The names that the example uses. */
export const VOTING_REFERENCES = VOTING_REPOSITORIES.map((repository) => `${repository}:latest`);

const VOTE = `#!/bin/sh
vote=$(printf '%s' "$QUERY_STRING" | sed -n 's/.*vote=\\([ab]\\).*/\\1/p')
printf 'Content-Type: text/plain\\r\\n\\r\\n'
[ -n "$vote" ] || { echo 'Cats vs Dogs! Vote with ?vote=a or ?vote=b'; exit; }
printf 'RPUSH votes %s\\r\\nQUIT\\r\\n' "$vote" | nc -w 3 redis 6379 | grep -q '^:' && echo "voted $vote" || echo 'redis does not answer'
`;

const WORKER = `#!/bin/sh
trap 'exit 0' TERM
sql() { psql -qtAc "$1"; }
until sql 'CREATE TABLE IF NOT EXISTS votes (id serial, vote text NOT NULL)'; do sleep 0.5; done
echo 'connected to db'
while :; do
  vote=$(printf 'BLPOP votes 1\\r\\nQUIT\\r\\n' | nc -w 3 redis 6379 | tr -d '\\r' | sed -n 5p)
  case $vote in [ab]) sql "INSERT INTO votes (vote) VALUES ('$vote')" && echo "stored $vote" ;; *) sleep 0.2 ;; esac
done
`;

const RESULT = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
psql -qtAc "SELECT vote || ' ' || count(*) FROM votes GROUP BY vote ORDER BY vote" 2>&1
`;

const DATABASE = ['PGHOST=db', 'PGUSER=postgres', 'PGPASSWORD=postgres', 'PGDATABASE=postgres', 'PGCONNECT_TIMEOUT=3'];

/** The program that each name asks for. */
export async function votingAppImages(references: readonly string[]): Promise<ImageSpec[]> {
  const system = await busyboxLayer();
  const client = onePerPath(await psqlFiles());
  const page = (script: string): LayerFile[] => [
    { kind: 'file', path: 'var/www/cgi-bin/page', content: script, mode: 0o755 },
    { kind: 'file', path: 'etc/httpd.conf', content: '' },
  ];
  return references.map((reference) => {
    const program = reference.includes('_worker') ? 'worker' : reference.includes('_result') ? 'result' : 'vote';
    const own: LayerFile[] =
      program === 'worker'
        ? [{ kind: 'file', path: 'usr/local/bin/worker', content: WORKER, mode: 0o755 }]
        : page(program === 'vote' ? VOTE : RESULT);
    return {
      references: [reference],
      layers: program === 'vote' ? [system, own] : [system, client, own],
      config: {
        Env: [PATH_VARIABLE, ...(program === 'vote' ? [] : DATABASE)],
        Cmd: program === 'worker' ? ['worker'] : ['httpd', '-f', '-p', '80', '-h', '/var/www'],
      },
    };
  });
}
