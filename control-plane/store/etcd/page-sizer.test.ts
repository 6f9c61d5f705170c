import type { IKeyValue } from 'etcd3';
import { describe, expect, test } from 'vitest';
import { PageSizer } from './page-sizer.ts';

const page = (count: number, bytesEach: number): IKeyValue[] =>
  Array.from({ length: count }, () => ({ key: Buffer.alloc(0), value: Buffer.alloc(bytesEach) }) as IKeyValue);

describe('PageSizer', () => {
  test('pages of small objects grow, those of large ones shrink towards 4 MiB', () => {
    const sizer = new PageSizer(undefined);
    expect(sizer.limit).toBe(64);
    sizer.read(page(64, 1_000));
    expect(sizer.limit).toBe(512);
    sizer.read(page(512, 1_000));
    expect(sizer.limit).toBe(4_096);
    sizer.read(page(16, 1024 * 1024));
    expect(sizer.limit).toBe(4);
  });

  test('never asks for more than is wanted, and for nothing once it has that', () => {
    const sizer = new PageSizer(100);
    sizer.read(page(64, 10));
    expect(sizer.limit).toBe(36);
    sizer.read(page(36, 10));
    expect(sizer.limit).toBe(0);
  });
});
