import { describe, expect, test } from 'vitest';
import { KeySpace } from './key-space.ts';

const range = ({ key, range_end }: { key: Buffer; range_end: Buffer }): string =>
  `${key.toString()} .. ${range_end.toString()}`;

describe('KeySpace', () => {
  const keys = new KeySpace('/skiff/registry');

  test('store keys are relative to the prefix', () => {
    expect(keys.toEtcd('core/pods/a/b').toString()).toBe('/skiff/registry/core/pods/a/b');
    expect(keys.toKey(Buffer.from('/skiff/registry/core/pods/a/b'))).toBe('core/pods/a/b');
  });

  test('reserved keys are seen by the watch and by no list', () => {
    const reserved = keys.reserved('sync');
    expect(keys.toKey(Buffer.from(reserved))).toBeUndefined();
    const [all, objects] = [keys.everything(), keys.objects('')];
    expect(Buffer.compare(Buffer.from(reserved), all.key)).toBe(1);
    expect(Buffer.compare(Buffer.from(reserved), objects.key)).toBe(-1);
  });

  test.each([
    ['core/pods/', undefined, '/skiff/registry/core/pods/ .. /skiff/registry/core/pods0'],
    ['core/pods/', 'core/pods/a/b', '/skiff/registry/core/pods/a/b\0 .. /skiff/registry/core/pods0'],
    ['core/pods/', 'apps/x', '/skiff/registry/core/pods/ .. /skiff/registry/core/pods0'],
    ['', undefined, '/skiff/registry/" .. /skiff/registry0'],
  ])('the objects under "%s" after %s are %s', (prefix, after, expected) => {
    expect(range(keys.objects(prefix, after))).toBe(expected);
  });
});
