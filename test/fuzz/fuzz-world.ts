/** What the fuzzer runs against: a real server on a real etcd in this process, the command line beside it, and a corpus. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { writeConfig } from '../../cli/config/client-config.ts';
import { encodeJson } from '../../cli/manifest/json-value.ts';
import { parseManifests } from '../../cli/manifest/read-manifests.ts';
import { SourceText } from '../../cli/manifest/source-text.ts';
import type { JsonObject } from '../../proto/index.ts';
import { EXAMPLES } from '../harness/example-objects.ts';
import { adminConfigFor } from '../harness/run-skiff.ts';
import type { ServerUnderTest } from '../integration/api-server-under-test.ts';

/** Manifests to begin from: as texts and as objects. */
export interface Corpus {
  readonly texts: readonly string[];
  readonly objects: readonly JsonObject[];
}

/** The public manifests where they are, and the project's own examples. */
export function readCorpus(): Corpus {
  const folders = [
    process.env.SKIFF_MANIFEST_CORPUS ?? join(import.meta.dirname, '../../../shared/manifests'),
    EXAMPLES,
  ];
  const texts: string[] = [];
  const objects: JsonObject[] = [];
  for (const folder of folders.filter((one) => existsSync(one))) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
      if (!/\.ya?ml$/.test(name)) continue;
      const text = readFileSync(join(folder, name), 'utf8');
      texts.push(text);
      objects.push(...objectsOf(name, text));
    }
  }
  return { texts, objects };
}

function objectsOf(name: string, text: string): JsonObject[] {
  try {
    return parseManifests(new SourceText(name, text), () => {}).map(
      ({ value }) => JSON.parse(encodeJson(value)) as JsonObject,
    );
  } catch {
    // Some of the public ones are no manifests; as text they are worth mutating all the same.
    return [];
  }
}

/** Writes the configuration of a command line that talks to `under`. */
export function writeCliConfig(under: ServerUnderTest): string {
  const file = join(under.root, 'config');
  writeConfig(file, adminConfigFor(under.endpoint, under.server.pki));
  return file;
}

/** Bytes in use after everything that can be freed was. */
export function usedBytes(): number {
  v8.setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
