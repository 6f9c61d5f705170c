import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { NftTable } from '../../node-agent/rules/nft-table.ts';
import { forgetRun, newRun } from '../harness/run.ts';
import { waitFor } from '../harness/wait.ts';
import { whyNoNamespaces } from './service-rules-world.ts';

const reason = whyNoNamespaces();
const PORTS = { type: 'type inet_service : ipv4_addr' };
const CLIENTS = { type: 'type ipv4_addr : inet_service', flags: ['dynamic', 'timeout'], size: 100 };

describe.skipIf(reason !== null)(`the table of rules${reason === null ? '' : `: skipped, ${reason}`}`, () => {
  const run = newRun();
  const netns = `srt${run.id}`;
  const table = `t${run.id}`;
  const enter = ['nsenter', `--net=/run/netns/${netns}`];
  const nft = (text: string): string =>
    execFileSync('nsenter', [...enter.slice(1), 'nft', '-f', '-'], { input: text, encoding: 'utf8' });
  const listed = (): string =>
    execFileSync('nsenter', [...enter.slice(1), 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
  const newTable = (): NftTable => new NftTable({ name: table, clock: systemClock, enter });
  /** A part with a chain, a map that leads to it, and what packets do to a dynamic one. */
  const declare = (rules: NftTable, prefix: string): ReturnType<NftTable['map']> => {
    const ports = rules.map(`${prefix}_ports`, PORTS);
    rules.map(`${prefix}_clients`, CLIENTS);
    rules.chain(`${prefix}_hook`, [`dnat to tcp dport map @${prefix}_ports`], {
      type: 'nat',
      hook: 'prerouting',
      priority: 'dstnat',
    });
    return ports;
  };

  beforeAll(() => execFileSync('ip', ['netns', 'add', netns]));
  afterAll(() => {
    execFileSync('ip', ['netns', 'del', netns]);
    forgetRun(run);
  });

  it('holds what its parts want, changes only what differs, and touches no other table', async () => {
    nft('table ip other { set kept { type inet_service; elements = { 7 }; }; }');
    const rules = newTable();
    const ports = declare(rules, 'one');
    ports.put('80', '10.0.0.1');
    ports.put('81', '10.0.0.2');
    await rules.commit();
    expect(listed()).toContain('80 : 10.0.0.1');
    ports.put('80', '10.0.0.9');
    ports.delete('81');
    rules.chain('one_more', ['accept']);
    await rules.commit();
    expect(listed()).toContain('elements = { 80 : 10.0.0.9 }');
    rules.remove('chain', 'one_more');
    rules.remove('chain', 'one_hook');
    rules.remove('map', 'one_ports');
    await rules.commit();
    expect(listed()).not.toMatch(/one_(more|hook|ports)/);
    await rules.teardown();
    expect(listed()).not.toContain(table);
    expect(listed()).toContain('elements = { 7 }');
  });

  it('adopts what an earlier agent left: parts that have not spoken stay, clients stay, the rest goes', async () => {
    const before = newTable();
    for (const part of ['one', 'two']) declare(before, part).put('80', '10.0.0.1');
    before.chain('one_old', ['accept']);
    before.chain('gone_chain', ['accept']);
    await before.commit();
    nft(`add element ip ${table} one_clients { 10.1.1.1 timeout 1h : 99 }`);
    const after = newTable();
    declare(after, 'one').put('80', '10.0.0.2');
    await after.commit();
    expect(listed()).not.toContain('one_old');
    expect(listed()).toMatch(/one_ports \{[^}]*80 : 10\.0\.0\.2/);
    expect(listed()).toMatch(/two_ports \{[^}]*80 : 10\.0\.0\.1/);
    expect(await after.listDynamic('one_clients')).toEqual([['10.1.1.1', '99']]);
    // A change that the kernel refuses, since somebody was there before: two stays even so.
    nft(`delete element ip ${table} one_ports { 80 }`);
    declare(after, 'one').delete('80');
    await after.commit();
    expect(listed()).toMatch(/two_ports \{[^}]*80 : 10\.0\.0\.1/);
    declare(after, 'two');
    after.settled();
    await after.commit();
    expect(listed()).not.toContain('gone_chain');
    expect(listed()).toMatch(/two_hook/);
    expect(listed()).not.toContain('80 : 10.0.0.1');
    await after.deleteDynamic('one_clients', ['10.1.1.1', '10.1.1.2']);
    expect(await after.listDynamic('one_clients')).toEqual([]);
    await after.teardown();
  });

  it('writes the table anew when the kernel refuses a change, with the clients that are in it', async () => {
    const rules = newTable();
    const ports = declare(rules, 'one');
    ports.put('80', '10.0.0.1');
    await rules.commit();
    // Behind our back, and with nobody watching.
    nft(
      `delete element ip ${table} one_ports { 80 }\nadd element ip ${table} one_clients { 10.1.1.1 timeout 1h : 99 }`,
    );
    ports.put('80', '10.0.0.2');
    await rules.commit();
    expect(listed()).toContain('80 : 10.0.0.2');
    expect(await rules.listDynamic('one_clients')).toEqual([['10.1.1.1', '99']]);
    ports.put('not a port', 'nowhere');
    await expect(rules.commit(AbortSignal.timeout(300))).rejects.toThrow(/Cannot change the rules of table/);
    ports.delete('not a port');
    ports.put('82', '10.0.0.3');
    await rules.commit();
    expect(listed()).toContain('82 : 10.0.0.3');
    await rules.teardown();
  });

  it('puts right what somebody else flushes, changes or deletes', async () => {
    const stop = new AbortController();
    const said: string[] = [];
    const say = (_fields: object, message: string): void => void said.push(message);
    const log = { debug: say, info: say, warn: say };
    const rules = new NftTable({ name: table, clock: systemClock, enter, log });
    declare(rules, 'one').put('80', '10.0.0.1');
    await rules.commit();
    const running = rules.run(stop.signal);
    const whole = (): boolean => /80 : 10\.0\.0\.1/.test(listed()) && /dnat to/.test(listed());
    await waitFor('the events to be heard', () => said.includes('rule events heard'));
    for (const harm of [`delete table ip ${table}`, 'flush ruleset', `flush map ip ${table} one_ports`]) {
      nft(harm);
      expect(whole()).toBe(false);
      await waitFor(`the rules after ${harm}`, whole);
    }
    stop.abort();
    await running;
    await rules.teardown();
  });
});
