import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../../lib/clock.ts';
import type { corev1 } from '../../../proto/index.ts';
import { type Peer, PeerCheck, peersOf, reachableCondition } from './peer-check.ts';
import type { PeerPath } from './plan.ts';

const path = (node: string, by: PeerPath['by'] = 'route'): PeerPath => ({
  node,
  gateway: `10.42.${node.slice(1)}.1`,
  address: `192.0.2.${node.slice(1)}`,
  by,
});
const peer = (node: string, by?: PeerPath['by']): Peer => ({ ...path(node, by), port: 7450 });

/** A check whose connections end as `answers` says, by node; undefined there: it is reached. */
function world() {
  const clock = new FakeClock();
  const answers = new Map<string, (string | undefined)[]>();
  const tried: string[] = [];
  let changes = 0;
  const check = new PeerCheck({
    clock,
    onChange: () => {
      changes += 1;
    },
    connect: (host, port) => {
      tried.push(`${host}:${port}`);
      const next = answers.get(host) ?? [];
      return Promise.resolve(next.length > 1 ? next.shift() : next[0]);
    },
  });
  const stop = new AbortController();
  const running = check.run(stop.signal);
  const said = (): string => `${check.condition?.status} ${check.condition?.reason} ${check.condition?.message}`;
  return {
    clock,
    answers,
    tried,
    check,
    said,
    changes: () => changes,
    end: () => {
      stop.abort();
      return running;
    },
  };
}

describe('the check of other nodes', () => {
  test('does nothing on a single node, and says nothing', async () => {
    const { clock, check, tried, end } = world();
    check.follow([], false);
    await clock.advance(600_000);
    expect([tried, check.condition, clock.pendingTimers]).toEqual([[], undefined, 0]);
    await end();
  });

  test('tries new nodes at once, then all every half a minute', async () => {
    const { clock, check, tried, said, end } = world();
    check.follow([peer('n2')], false);
    await clock.advance(0);
    expect(said()).toBe('True PeersReachable all 1 other ready nodes answer over the pod network');
    check.follow([peer('n2'), peer('n3')], false);
    await clock.advance(0);
    expect(tried).toHaveLength(3);
    await clock.advance(66_000);
    expect(tried).toHaveLength(7);
    await end();
  });

  test('one failed try does not count; two do, and a later success takes it back', async () => {
    const { clock, check, answers, said, changes, end } = world();
    answers.set('10.42.2.1', ['lost', undefined, 'lost', 'lost', undefined]);
    check.follow([peer('n2', 'VXLAN')], false);
    await clock.advance(1_000);
    expect(said()).toMatch(/^True/);
    await clock.advance(35_000);
    expect(said()).toBe(
      'False PeersUnreachable cannot reach over the pod network: n2 at 10.42.2.1:7450 by VXLAN to 192.0.2.2: lost',
    );
    await clock.advance(35_000);
    expect(said()).toMatch(/^True/);
    expect(changes()).toBe(3);
    await end();
  });

  test('a node that goes is no longer missed, and what an earlier agent said is taken back', async () => {
    const { clock, check, answers, said, end } = world();
    answers.set('10.42.2.1', ['lost']);
    check.follow([peer('n2')], false);
    await clock.advance(1_000);
    expect(said()).toMatch(/^False/);
    check.follow([], true);
    expect(said()).toBe('True PeersReachable there is no other ready node');
    await end();
  });

  test('tries again at once when the way has changed', async () => {
    const { clock, check, tried, end } = world();
    check.follow([peer('n2')], false);
    await clock.advance(0);
    check.follow([peer('n2')], false);
    await clock.advance(0);
    expect(tried).toHaveLength(1);
    check.follow([peer('n2', 'VXLAN')], false);
    await clock.advance(0);
    expect(tried).toHaveLength(2);
    await end();
  });

  test('names a few of many', () => {
    const peers = ['n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8'].map((name) => peer(name));
    const { message } = reachableCondition(peers, new Map(peers.map(({ node }) => [node, 'lost'])));
    expect(message).toContain('n6 at 10.42.6.1:7450 by a route via 192.0.2.6: lost; and 2 more');
  });

  test('asks the ready nodes only, at the port of their agents', () => {
    const node = (name: string, status: string, port?: number): corev1.Node => ({
      metadata: { name },
      status: {
        conditions: [{ type: 'Ready', status }],
        ...(port === undefined ? {} : { daemonEndpoints: { kubeletEndpoint: { Port: port } } }),
      },
    });
    const nodes = [node('n2', 'True', 7451), node('n3', 'Unknown', 7450), node('n4', 'True')];
    expect(
      peersOf(
        ['n2', 'n3', 'n4', 'n5'].map((name) => path(name)),
        nodes,
      ),
    ).toEqual([{ ...path('n2'), port: 7451 }]);
  });
});
