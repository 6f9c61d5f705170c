import { describe, expect, it } from 'vitest';
import { TableEvents } from './table-events.ts';

/** As a kernel 6.18 said it: one element of map `endpoints` in table `t` replaced by `nft`, process 15847. */
const REPLACED = Buffer.from(
  [
    '5c0000000e0a000000000000e73d00000200000a06000100740000000e000200656e64706f696e7473000000300003002c00010018000100',
    '140001000a2b0304060000000050000003000000100002000c0001000a2a1e2b1f900000',
    '5c0000000c0a000400000000e73d00000200000a06000100740000000e000200656e64706f696e7473000000300003002c00010018000100',
    '140001000a2b0304060000000050000003000000100002000c0001000a2a09091f900000',
    '2c0000000f0a000001000000e73d00000000000a080001000000000a0800020000003de7080003006e667400',
  ].join(''),
  'hex',
);

describe("the kernel's events", () => {
  it('name the process whose transaction touched the table', () => {
    expect(new TableEvents('t').push(REPLACED)).toEqual([{ pid: 15_847, program: 'nft' }]);
  });

  it('of other tables are none of ours, also right before one of ours', () => {
    const events = new TableEvents('t');
    expect(new TableEvents('other').push(REPLACED)).toEqual([]);
    const others = Buffer.from(REPLACED.toString('hex').replaceAll('06000100740000', '06000100750000'), 'hex');
    expect(events.push(Buffer.concat([others, REPLACED]))).toHaveLength(1);
  });

  it('are read in pieces of any size', () => {
    for (let size = 1; size < 100; size += 7) {
      const events = new TableEvents('t');
      const touches = [];
      for (let at = 0; at < REPLACED.length; at += size) touches.push(...events.push(REPLACED.subarray(at, at + size)));
      expect(touches).toEqual([{ pid: 15_847, program: 'nft' }]);
    }
  });

  it('that make no sense end the reading', () => {
    expect(() => new TableEvents('t').push(Buffer.alloc(32))).toThrow(/a message claims 0 bytes/);
  });
});
