/** The switch that test machines hang on: what it connects, and what its cuts let through. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable } from '../harness/cluster.ts';
import { forgetRun, newRun, type TestRun } from '../harness/run.ts';
import { TestSwitch } from '../harness/switch.ts';
import { findTraces, netnsName } from '../harness/traces.ts';

const reason = clusterUnavailable();

describe.skipIf(reason !== undefined)(`a switch of two segments${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let wires: TestSwitch;
  let run: TestRun;
  const netns = (index: number): string => netnsName(run, index);

  beforeAll(() => {
    run = newRun();
    wires = TestSwitch.make([2, 1]);
    for (const index of [0, 1, 2]) {
      execFileSync('ip', ['netns', 'add', netns(index)]);
      wires.connect(index, netns(index));
    }
  });
  afterAll(() => {
    for (const index of [0, 1, 2]) execFileSync('ip', ['netns', 'del', netns(index)]);
    wires.remove();
    expect(findTraces(run)).toEqual([]);
    forgetRun(run);
  });

  /** Which of the datagrams sent between pairs at the same time came, whatever became of the answers. */
  function arrive(...pairs: readonly (readonly [number, number])[]): Promise<boolean[]> {
    return Promise.all(
      pairs.map(async ([from, to]) => {
        const before = echoesHeard(to);
        const argv = [`--net=/run/netns/${netns(from)}`, 'busybox', 'ping', '-c1', '-W1', wires.address(to)];
        await once(spawn('nsenter', argv, { stdio: 'ignore' }), 'exit');
        return echoesHeard(to) > before;
      }),
    );
  }

  function echoesHeard(index: number): number {
    const argv = [`--net=/run/netns/${netns(index)}`, 'cat', '/proc/net/snmp'];
    const lines = execFileSync('nsenter', argv, { encoding: 'utf8' }).split('\n');
    const [names = '', values = ''] = lines.filter((line) => line.startsWith('Icmp:'));
    return Number(values.split(' ')[names.split(' ').indexOf('InEchos')]);
  }

  test('machines reach each other on a segment and through the router', async () => {
    expect(await arrive([0, 1], [1, 0], [2, 0]).then((all) => all.every(Boolean))).toBe(true);
    expect(await arrive([0, 2])).toEqual([true]);
  });

  test('a cut loses what a machine sends, what is sent to it, or both, until it is healed', async () => {
    wires.cut(1, 'out');
    expect(await arrive([0, 1], [1, 0])).toEqual([true, false]);
    wires.cut(1, 'in');
    expect(await arrive([0, 1], [1, 0])).toEqual([false, true]);
    wires.cut(1);
    expect(await arrive([0, 1], [1, 0], [0, 2])).toEqual([false, false, true]);
    wires.heal(1);
    expect(await arrive([0, 1], [1, 0])).toEqual([true, true]);
  });
});
