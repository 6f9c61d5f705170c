import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../lib/clock.ts';
import type { corev1 } from '../../proto/index.ts';
import { ContainerProbes, type ProbeVerdict } from './container-probes.ts';
import { afterResult, NO_RESULT } from './probe-state.ts';
import { ProbeWheel } from './probe-wheel.ts';

describe('a row of probe results', () => {
  test.each([
    ['f', 'unknown'],
    ['ff', 'unknown'],
    ['fff', 'failure'],
    ['s', 'unknown'],
    ['ss', 'success'],
    ['ssf', 'success'],
    ['ssfff', 'failure'],
    ['fffs', 'failure'],
    ['fffss', 'success'],
    ['sfsfsf', 'unknown'],
  ])('%s is %s with thresholds 2 and 3', (row, verdict) => {
    const probe = { successThreshold: 2, failureThreshold: 3 };
    const state = row.split('').reduce((s, c) => afterResult(s, c === 's', probe), NO_RESULT);
    expect(state.verdict).toBe(verdict);
  });
});

describe('the probes of a container', () => {
  function begin(container: corev1.Container, initial?: { started: boolean; ready: boolean }) {
    const clock = new FakeClock();
    const wheel = new ProbeWheel(clock);
    const healthy = { value: false };
    const looks: number[] = [];
    const verdicts: ProbeVerdict[] = [];
    const failures: string[] = [];
    const probes = new ContainerProbes({
      container,
      wheel,
      clock,
      startedAtMs: clock.now(),
      look: async () => {
        looks.push(clock.monotonicMs());
        return { ok: healthy.value, message: 'no' };
      },
      onChange: (verdict) => verdicts.push(verdict),
      onFailure: (kind) => failures.push(kind),
      ...(initial === undefined ? {} : { initial }),
    });
    probes.start();
    return { clock, healthy, looks, verdicts, failures, probes };
  }
  const probe: corev1.Probe = { exec: { command: ['x'] }, periodSeconds: 10 };

  test('a readiness probe looks often until it first succeeds, then keeps to its period', async () => {
    const { clock, healthy, looks, verdicts, failures } = begin({
      readinessProbe: { tcpSocket: { port: '1' }, periodSeconds: 10 },
    });
    await clock.advance(1000);
    expect(looks.length).toBeGreaterThan(3);
    expect(failures).toEqual([]);
    healthy.value = true;
    await clock.advance(2000);
    expect(verdicts).toEqual([{ started: true, ready: true, unhealthy: null }]);
    const before = looks.length;
    await clock.advance(20_000);
    expect(looks.length - before).toBe(2);
  });

  test('a liveness probe gives up after its threshold and looks no more', async () => {
    const { clock, looks, verdicts, failures } = begin({ livenessProbe: probe });
    await clock.advance(60_000);
    expect(verdicts.at(-1)?.unhealthy).toBe('liveness');
    expect(looks).toHaveLength(3);
    expect(failures).toEqual(['liveness', 'liveness', 'liveness']);
  });

  test('the others wait for the startup probe', async () => {
    const { clock, healthy, verdicts } = begin({
      startupProbe: { ...probe, failureThreshold: 100 },
      livenessProbe: probe,
      readinessProbe: probe,
    });
    await clock.advance(30_000);
    expect(verdicts).toEqual([]);
    healthy.value = true;
    await clock.advance(10_000);
    expect(verdicts).toEqual([
      { started: true, ready: false, unhealthy: null },
      { started: true, ready: true, unhealthy: null },
    ]);
  });

  test('a startup probe that never succeeds ends the container', async () => {
    const { clock, verdicts } = begin({ startupProbe: { ...probe, failureThreshold: 2 } });
    await clock.advance(30_000);
    expect(verdicts).toEqual([{ started: false, ready: false, unhealthy: 'startup' }]);
  });

  test('the initial delay counts from the start of the container', async () => {
    const { clock, looks } = begin({ livenessProbe: { ...probe, initialDelaySeconds: 5 } });
    await clock.advance(4900);
    expect(looks).toEqual([]);
    await clock.advance(200);
    expect(looks).toHaveLength(1);
  });

  test('what was known before a restart of the agent holds', () => {
    expect(
      begin({ readinessProbe: probe, startupProbe: probe }, { started: true, ready: true }).probes.verdict,
    ).toEqual({ started: true, ready: true, unhealthy: null });
  });

  test('nothing is planned after the end', async () => {
    const { clock, probes, looks } = begin({ livenessProbe: probe });
    probes.stop();
    await clock.advance(60_000);
    expect(looks).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});
