import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../lib/clock.ts';
import type { corev1 } from '../../proto/index.ts';
import type { ServiceWithdrawal } from '../features/node-feature.ts';
import { type PeerAgents, Withdrawals } from './withdrawals.ts';

const POD: corev1.Pod = { metadata: { namespace: 'shop', name: 'web-1', uid: 'u1' } };

function node(name: string, ready: 'True' | 'False'): corev1.Node {
  return { metadata: { name }, status: { conditions: [{ type: 'Ready', status: ready }] } };
}

/** Three nodes, the last one not ready; answers are given by hand. */
function world(options: { readonly served?: boolean } = {}) {
  const clock = new FakeClock(0);
  const asked: string[] = [];
  const answer = new Map<string, (withdrawn: boolean) => void>();
  const ask = (who: string): Promise<boolean> => {
    asked.push(who);
    return new Promise((resolve) => answer.set(who, resolve));
  };
  const feature: ServiceWithdrawal = {
    isServed: () => options.served !== false,
    withdrawn: (_, signal) => {
      const said = ask('here');
      signal.addEventListener('abort', () => answer.get('here')?.(false));
      return said;
    },
  };
  const peers: PeerAgents = {
    awaitWithdrawn: (other, _, { signal }) => {
      const name = other.metadata?.name ?? '';
      signal.addEventListener('abort', () => answer.get(name)?.(false));
      return ask(name);
    },
  };
  const warnings: object[] = [];
  const quiet = (): void => undefined;
  const withdrawals = new Withdrawals({
    local: [feature],
    nodes: { list: () => [node('a', 'True'), node('b', 'True'), node('c', 'False')], hasSynced: true },
    peers,
    node: 'a',
    clock,
    log: { debug: quiet, info: quiet, warn: (fields) => void warnings.push(fields), error: quiet },
  });
  const run = () => {
    const state = { done: false };
    void withdrawals.withdraw(POD, new AbortController().signal).then(() => {
      state.done = true;
    });
    return state;
  };
  return { clock, asked, answer, warnings, run };
}

/** Lets everything that is due happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a pod that is about to be stopped', () => {
  test('is asked about on this node and on every other ready one, and lingers once all have said that nobody sends', async () => {
    const { asked, answer, clock, run, warnings } = world();
    const state = run();
    await settle();
    expect(asked).toEqual(['here', 'b']);
    answer.get('here')?.(true);
    await settle();
    answer.get('b')?.(true);
    await settle();
    expect(state.done).toBe(false);
    await clock.advance(1199);
    expect(state.done).toBe(false);
    await clock.advance(1);
    await settle();
    expect(state.done).toBe(true);
    expect(warnings).toEqual([]);
  });

  test('waits two seconds at most for a node that says nothing, and the log names it', async () => {
    const { answer, clock, run, warnings } = world();
    const state = run();
    await settle();
    answer.get('here')?.(true);
    await clock.advance(2000);
    await settle();
    expect(warnings).toEqual([{ namespace: 'shop', name: 'web-1', nodes: ['b'] }]);
    await clock.advance(1200);
    await settle();
    expect(state.done).toBe(true);
  });

  test('waits for nobody when no service sends to it', async () => {
    const { asked, run } = world({ served: false });
    const state = run();
    await settle();
    expect([state.done, asked]).toEqual([true, []]);
  });

  test('with several containers asks once', async () => {
    const { asked, run } = world();
    run();
    run();
    await settle();
    expect(asked).toEqual(['here', 'b']);
  });
});
