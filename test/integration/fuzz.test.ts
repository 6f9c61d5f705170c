/**
 * Mutated manifests and requests against a real server: never a crash, a hang, an unclassified error or growing memory. A minute
 * here; `npm run fuzz` goes on for ten. The seed is printed and can be given again in SKIFF_FUZZ_SEED.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { seededRandom } from '../../control-plane/store/testing/random.ts';
import { Fuzzer } from '../fuzz/fuzz.ts';
import { readCorpus, usedBytes, writeCliConfig } from '../fuzz/fuzz-world.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const unavailable = apiUnavailable();
const durationMs = Number(process.env.SKIFF_FUZZ_MS ?? 10_000);
const seed = Number(process.env.SKIFF_FUZZ_SEED ?? Date.now() % 1_000_000);
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;

describe.skipIf(unavailable !== undefined)(`fuzzing${unavailable ? ` (${unavailable})` : ''}`, () => {
  let under: ServerUnderTest;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
  });
  afterAll(() => under?.stop());

  test(`seed ${seed}`, { timeout: durationMs * 2 + 60_000, retry: 0 }, async () => {
    const fuzzer = new Fuzzer({
      random: seededRandom(seed),
      corpus: readCorpus(),
      connection: under.connect(),
      system: new LocalResourceClient(under.server.services, 'system:fuzz'),
      configFile: writeCliConfig(under),
    });
    const begin = Date.now();
    let warm: number | undefined;
    while (Date.now() - begin < durationMs && fuzzer.findings.length < 20) {
      await fuzzer.step();
      // Caches and compiled code have their size by then.
      if (warm === undefined && Date.now() - begin > durationMs / 3) warm = usedBytes();
    }
    const { tried, accepted } = fuzzer.tally;
    process.stdout.write(`fuzz seed ${seed}: tried ${JSON.stringify(tried)}, accepted ${JSON.stringify(accepted)}\n`);
    expect(fuzzer.findings).toEqual([]);
    for (const kind of ['manifest', 'object', 'encoding']) {
      expect(tried[kind] ?? 0).toBeGreaterThan(20);
      expect(accepted[kind] ?? 0).toBeGreaterThan(0);
    }
    expect(usedBytes() - (warm ?? 0)).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
