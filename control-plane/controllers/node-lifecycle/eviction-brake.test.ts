import { describe, expect, it } from 'vitest';
import { type BrakedNode, EvictionBrake, zoneState } from './eviction-brake.ts';

/** `a1 a2! b1`: zone is the letter, `!` means lost. */
const nodes = (text: string): { name: string; node: BrakedNode }[] =>
  text.split(' ').map((word) => ({
    name: word.replace('!', ''),
    node: { zone: word.charAt(0), ready: !word.endsWith('!') },
  }));

describe('the state of a zone', () => {
  it.each([
    ['one of one', 'a1!', 'normal'],
    ['one of two', 'a1! a2', 'normal'],
    ['one of three', 'a1! a2 a3', 'normal'],
    ['two of three', 'a1! a2! a3', 'disrupted'],
    ['two of four: less than 55 %', 'a1! a2! a3 a4', 'normal'],
    ['eleven of twenty: 55 % exactly', 'a! a! a! a! a! a! a! a! a! a! a! a a a a a a a a a', 'disrupted'],
    ['all of two', 'a1! a2!', 'disrupted'],
  ])('%s', (_what, text, state) => {
    expect(zoneState(nodes(text).map(({ node }) => node))).toBe(state);
  });
});

describe('the brake', () => {
  function world(text: string) {
    const all = nodes(text);
    const brake = new EvictionBrake();
    const wait = (name: string, nowMs: number): number =>
      brake.waitMs(name, { zone: name.charAt(0), nodes: all.map(({ node }) => node), nowMs });
    return { brake, wait };
  }

  it('lets the first node of a zone through at once, the next after ten seconds, and knows who is through', () => {
    const { wait } = world('a1! a2! a3 a4 a5');
    expect([wait('a1', 1000), wait('a2', 1000), wait('a1', 1000), wait('a2', 10_999), wait('a2', 11_000)]).toEqual([
      0, 10_000, 0, 1, 0,
    ]);
  });

  it('takes a minute from one to the next while most of a zone is lost', () => {
    const { wait } = world('a1! a2! a3');
    expect([wait('a1', 0), wait('a2', 10_000), wait('a2', 60_000)]).toEqual([0, 50_000, 0]);
  });

  it('counts each zone by itself', () => {
    const { wait } = world('a1! a2! a3 b1! b2 b3');
    expect([wait('a1', 0), wait('b1', 0)]).toEqual([0, 0]);
  });

  it('makes a node that recovered wait in line again, and keeps what an earlier leader let through', () => {
    const { brake, wait } = world('a1! a2! a3 a4 a5');
    wait('a1', 0);
    brake.recovered('a1');
    brake.keepReleased('a2');
    expect([wait('a1', 4000), wait('a2', 4000)]).toEqual([6000, 0]);
  });
});
