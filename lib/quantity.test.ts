import { describe, expect, test } from 'vitest';
import { canonicalQuantity, quantityMilli, quantityNumber, quantityUnits } from './quantity.ts';

describe('quantities', () => {
  const canonical: readonly [string, string | undefined][] = [
    ['0', '0'],
    ['100m', '100m'],
    ['0.5', '500m'],
    ['1.5', '1500m'],
    ['1000m', '1'],
    ['1024Mi', '1Gi'],
    ['1536Mi', '1536Mi'],
    ['512', '512'],
    ['1000Ki', '1000Ki'],
    ['1000k', '1M'],
    ['1e3', '1e3'],
    ['12e5', '1200e3'],
    ['.5', '500m'],
    ['5.', '5'],
    ['-1', '-1'],
    ['0.1Gi', '107374182400m'],
    ['0.0000000001', '1n'],
    ['1E', '1E'],
    ['100000000000E', '9223372036854775807'],
    ['64Mb', undefined],
    ['1 Gi', undefined],
    ['', undefined],
    ['Gi', undefined],
    ['1e999999999999', '9223372036854775807'],
    ['0x10', undefined],
    ['1'.repeat(65), undefined],
  ];
  test.each(canonical)('%j is written %j', (text, expected) => {
    expect(canonicalQuantity(text)).toBe(expected);
  });

  test('a canonical text is its own canonical text', () => {
    for (const [, text] of canonical) if (text !== undefined) expect(canonicalQuantity(text)).toBe(text);
  });

  test('as numbers they add up exactly in whole units', () => {
    expect(quantityNumber('250m')).toBe(0.25);
    expect(quantityNumber('8589934591')).toBe(8_589_934_591);
    expect(quantityNumber('2Gi')).toBe(2 ** 31);
    expect(quantityNumber('1e3')).toBe(1000);
    expect(quantityNumber('pod-2')).toBeUndefined();
  });

  test('units and thousandths round up', () => {
    expect(quantityUnits('1Gi')).toBe(2 ** 30);
    expect(quantityUnits('1500m')).toBe(2);
    expect(quantityMilli('1.5')).toBe(1500);
    expect(quantityMilli('1u')).toBe(1);
    expect(quantityMilli(undefined)).toBe(0);
  });
});
