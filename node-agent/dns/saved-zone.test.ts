import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSavedZone, saveZone } from './saved-zone.ts';
import { shopZone } from './testing/zone.ts';

test('a saved zone is read as it was, and not at all when a part is missing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'skiff-zone-'));
  const file = join(dir, 'deep/zone.json');
  try {
    expect(readSavedZone(file)).toBeUndefined();
    const zone = shopZone();
    await saveZone(zone, file);
    await saveZone(zone, file);
    const read = readSavedZone(file);
    const strip = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    const { services, namespaces } = zone.contents();
    expect(read?.contents()).toMatchObject({ services: strip(services) as object[], namespaces });
    const db = read?.service('shop/db');
    expect(db && read?.endpoints(db).map(({ name }) => name)).toEqual(['db-0', 'db-1', '10-42-2-2']);
    // Which pods there are was not saved: nobody can tell.
    expect(read?.hasPod('shop', '10.42.0.5')).toBeNull();
    const text = readFileSync(file, 'utf8');
    const lines = text.trimEnd().split('\n');
    for (const damaged of [
      '',
      '{}',
      text.slice(0, -30),
      lines.slice(0, -1).join('\n'),
      lines.toSpliced(3, 1).join('\n'),
    ]) {
      writeFileSync(file, damaged);
      expect(readSavedZone(file)).toBeUndefined();
    }
    writeFileSync(file, text.replace('"version":1', '"version":2'));
    expect(readSavedZone(file)).toBeUndefined();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
