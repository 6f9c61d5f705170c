import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FakeClock } from '../../lib/clock.ts';
import { NodeResolvers, parseResolvConf } from './resolver-file.ts';

test.each([
  ['', [], [], []],
  ['# a\n; b\nnameserver 1.1.1.1 # c\n  nameserver\t2.2.2.2\nnameserver', ['1.1.1.1', '2.2.2.2'], [], []],
  ['search a b.\nsearch c. .\n', [], ['c', '.'], []],
  ['search a\ndomain b c\n', [], ['b'], []],
  ['options ndots:2 rotate\noptions ndots:3\n', [], [], ['ndots=3', 'rotate']],
])('resolv.conf %j', (text, nameservers, searches, options) => {
  const read = parseResolvConf(text);
  expect(read.nameservers).toEqual(nameservers);
  expect(read.searches).toEqual(searches);
  expect([...read.options].map(([name, value]) => (value === undefined ? name : `${name}=${value}`))).toEqual(options);
});

test('servers of the node follow its file, also when it is replaced, and survive its absence', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'skiff-resolv-'));
  const file = join(dir, 'resolv.conf');
  try {
    const clock = new FakeClock();
    const resolvers = new NodeResolvers(file, clock);
    expect(resolvers.upstreams).toEqual([]);
    writeFileSync(file, 'nameserver 192.0.2.1\nnameserver ::1\nnameserver nonsense\n');
    await clock.advance(2000);
    expect(resolvers.upstreams.map(({ ip }) => ip)).toEqual(['192.0.2.1', '::1']);
    writeFileSync(`${file}.new`, 'nameserver 192.0.2.22\n');
    renameSync(`${file}.new`, file);
    expect(resolvers.upstreams).toHaveLength(2);
    await clock.advance(2000);
    expect(resolvers.upstreams).toEqual([{ ip: '192.0.2.22', port: 53 }]);
    rmSync(file);
    await clock.advance(2000);
    expect(resolvers.upstreams).toEqual([{ ip: '192.0.2.22', port: 53 }]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
