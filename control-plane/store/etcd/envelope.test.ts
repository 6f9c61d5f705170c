import { describe, expect, test } from 'vitest';
import { open, seal } from './envelope.ts';

describe('envelope', () => {
  test.each([
    ['nothing', new Uint8Array(), 0],
    ['bytes of any value', Uint8Array.from({ length: 256 }, (_, i) => i), 126],
    ['the highest index', Uint8Array.of(1), 1023],
  ])('%s comes out as it went in', (_, value, index) => {
    const opened = open('k', seal(value, index));
    expect(opened.index).toBe(index);
    expect([...opened.value]).toEqual([...value]);
  });

  test('a type name before the bytes is skipped', () => {
    const stored = Buffer.concat([Buffer.from([1, 0, 7, 6]), Buffer.from('v1/Pod'), Buffer.from('bytes')]);
    expect(Buffer.from(open('k', stored).value).toString()).toBe('bytes');
    expect(open('k', stored).index).toBe(7);
  });

  test.each([
    ['empty', Buffer.alloc(0), 'too short (0 bytes)'],
    ['shorter than its header', Buffer.from([1, 0, 0]), 'too short (3 bytes)'],
    ['shorter than its type name', Buffer.from([1, 0, 0, 9, 1]), 'too short (5 bytes)'],
    ['of another format', Buffer.from('{"json":true}'), 'unknown format 123'],
  ])('a value that is %s is refused by key', (_, stored, message) => {
    expect(() => open('core/pods/a/b', stored)).toThrow(/^Cannot read core\/pods\/a\/b: /);
    expect(() => open('core/pods/a/b', stored)).toThrow(message);
  });

  test('a small value does not keep a large network buffer alive', () => {
    const message = Buffer.alloc(100_000);
    seal(Buffer.from('small'), 0).copy(message, 50_000);
    expect(open('k', message.subarray(50_000, 50_009)).value.buffer.byteLength).toBeLessThan(100);
  });
});
