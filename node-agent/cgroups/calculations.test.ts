import { describe, expect, it } from 'vitest';
import { cpuQuotaUsFromMillis, cpuSharesFromMillis, cpuWeightFromShares, podCgroupPath } from './calculations.ts';

describe('cgroup calculations', () => {
  it.each([
    [0, 2],
    [1, 2],
    [100, 102],
    [250, 256],
    [1000, 1024],
    [64_000, 65_536],
    [1_000_000, 262_144],
  ])('a request of %im is %i shares', (millis, shares) => {
    expect(cpuSharesFromMillis(millis)).toBe(shares);
  });

  it.each([
    [0, undefined],
    [1, 1000],
    [10, 1000],
    [100, 10_000],
    [1500, 150_000],
  ])('a limit of %im is a quota of %s µs', (millis, quota) => {
    expect(cpuQuotaUsFromMillis(millis)).toBe(quota);
  });

  it.each([
    [2, 1],
    [102, 4],
    [1024, 39],
    [262_144, 10_000],
    [9_999_999, 10_000],
  ])('%i shares are weight %i', (shares, weight) => {
    expect(cpuWeightFromShares(shares)).toBe(weight);
  });

  it('sorts pods by quality of service', () => {
    expect(podCgroupPath('skiff', 'Guaranteed', 'u')).toBe('skiff/podu');
    expect(podCgroupPath('skiff', 'Burstable', 'u')).toBe('skiff/burstable/podu');
    expect(podCgroupPath('skiff', 'BestEffort', 'u')).toBe('skiff/besteffort/podu');
  });
});
