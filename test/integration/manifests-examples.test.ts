/** The examples in `manifests/`: there is one for every kind, each is valid, and a real server takes it twice. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeJson } from '../../cli/manifest/json-value.ts';
import type { Manifest } from '../../cli/manifest/manifest.ts';
import { readManifests } from '../../cli/manifest/read-manifests.ts';
import { allDefinitions, findDefinition } from '../../control-plane/resources/registry.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { apiv1 } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const folder = join(import.meta.dirname, '../../manifests');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('images/'))
  .sort()
  .map((name) => join(folder, name));

const warn = ({ message }: { message: string }): void => {
  throw new Error(message);
};
const read = (file: string): Promise<Manifest[]> => readManifests([file], { stdin: Readable.from([]), warn });

test('every kind has an example named after it', () => {
  const expected = allDefinitions().map(
    ({ type }) => `${type.kind.replaceAll(/(?<!^)([A-Z])/g, '-$1').toLowerCase()}.yaml`,
  );
  expect(files.map((file) => basename(file))).toEqual(expect.arrayContaining(expected));
});

const unavailable = apiUnavailable();

describe.skipIf(unavailable !== undefined)(
  `a server takes the examples${unavailable ? ` (${unavailable})` : ''}`,
  () => {
    let under: ServerUnderTest;
    let connection: GrpcConnection;
    beforeAll(async () => {
      under = await ServerUnderTest.start();
      connection = under.connect();
    });
    afterAll(() => under?.stop());

    async function apply(manifest: Manifest): Promise<apiv1.ObjectReply> {
      const json = Buffer.from(encodeJson(manifest.value));
      const namespaced = findDefinition(manifest.apiVersion, manifest.kind)?.type.namespaced === true;
      const target = namespaced ? { namespace: manifest.namespace ?? 'default' } : {};
      return connection.unary(apiv1.ResourcesService.apply, { target, json, output: apiv1.Output.JSON });
    }

    test.each(files.map((file) => [basename(file), file] as const))('%s', async (_name, file) => {
      const manifests = await read(file);
      expect(manifests).not.toEqual([]);
      for (const manifest of manifests) {
        const first = await apply(manifest);
        expect(first.warnings ?? []).toEqual([]);
        expect(first.action).toBe(apiv1.Action.CREATED);
        expect((await apply(manifest)).action).toBe(apiv1.Action.UNCHANGED);
      }
    });
  },
);
