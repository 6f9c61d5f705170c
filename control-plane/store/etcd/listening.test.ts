import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { listeningInodes, listensOn } from './listening.ts';

describe('listensOn', () => {
  test('knows its own listening port from one that somebody else has', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(await listensOn(process.pid, port)).toBe(true);
    expect(await listensOn(1, port)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect(await listensOn(process.pid, port)).toBe(false);
    expect(await listensOn(2 ** 22 + 1, port)).toBe(false);
  });

  test('a connection on the port is not a listener', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:1CD3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
      '   1: 0100007F:1CD3 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1',
    ].join('\n');
    expect([...listeningInodes(table, 7379)]).toEqual(['socket:[4711]']);
  });
});
