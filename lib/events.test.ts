import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type corev1, KINDS } from '../proto/index.ts';
import { MemoryResourceClient } from './client/memory-resource-client.ts';
import { FakeClock } from './clock.ts';
import { EventRecorder } from './events.ts';

describe('EventRecorder', () => {
  const pod: corev1.Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u1' } };
  let clock: FakeClock;
  let client: MemoryResourceClient;
  let recorder: EventRecorder;
  let abort: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    clock = new FakeClock();
    client = new MemoryResourceClient({ clock });
    recorder = new EventRecorder({ client, component: 'kubelet', host: 'n1', clock });
    abort = new AbortController();
    running = recorder.run(abort.signal);
  });

  afterEach(async () => {
    abort.abort();
    await running;
  });

  it('writes an event about an object, in its namespace', async () => {
    recorder.record(pod, 'Normal', 'Started', 'Started container web', 'spec.containers{web}');
    await clock.advance(0);
    const [event] = client.peek(KINDS.Event);
    expect(event).toMatchObject({
      metadata: { namespace: 'shop' },
      type: 'Normal',
      reason: 'Started',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'kubelet', host: 'n1' },
      involvedObject: { kind: 'Pod', name: 'web', uid: 'u1', fieldPath: 'spec.containers{web}' },
    });
  });

  it('shortens the name of an object that is as long as names may be', async () => {
    const name = `${'a'.repeat(230)}.${'b'.repeat(22)}`;
    recorder.record({ ...pod, metadata: { ...pod.metadata, name } }, 'Normal', 'Started', 'Started container web');
    await clock.advance(0);
    const [event] = client.peek(KINDS.Event);
    expect(event?.metadata?.name).toMatch(/^a{230}\.b*\.[0-9a-f]+$/);
    expect(event?.metadata?.name?.length).toBeLessThanOrEqual(253);
    expect(event?.involvedObject?.name).toBe(name);
  });

  it('counts what repeats on one event', async () => {
    for (let i = 0; i < 3; i += 1) {
      recorder.record(pod, 'Warning', 'BackOff', 'Back-off restarting');
      await clock.advance(60_000);
    }
    const events = client.peek(KINDS.Event);
    expect(events.map((e) => [e.count, e.firstTimestamp, e.lastTimestamp])).toEqual([
      [3, '2026-01-01T00:00:00Z', '2026-01-01T00:02:00Z'],
    ]);
  });

  it('combines many messages of one reason', async () => {
    for (let i = 0; i < 15; i += 1) recorder.record(pod, 'Normal', 'Created', `Created pod: web-${i}`);
    await clock.advance(0);
    const messages = client.peek(KINDS.Event).map((e) => `${e.count} ${e.message}`);
    expect(messages).toHaveLength(10);
    expect(messages.at(-1)).toBe('6 (combined from similar events): Created pod: web-14');
  });

  it('cuts off an object that floods, and lets it speak again later', async () => {
    for (let i = 0; i < 100; i += 1) recorder.record(pod, 'Warning', 'Flood', 'again');
    await clock.advance(0);
    expect(client.peek(KINDS.Event)[0]?.count).toBe(25);
    await clock.advance(300_000);
    recorder.record(pod, 'Warning', 'Flood', 'again');
    await clock.advance(0);
    expect(client.peek(KINDS.Event)[0]?.count).toBe(26);
  });

  it('tries again when the server is away, and makes a new event when the old one expired', async () => {
    const stop = client.intercept(() => {
      throw new Error('away');
    });
    recorder.record(pod, 'Normal', 'Started', 'Started');
    await clock.advance(500);
    stop();
    await clock.advance(5000);
    const [first] = client.peek(KINDS.Event);
    expect(first?.count).toBe(1);
    await client.delete(KINDS.Event, { namespace: 'shop', name: first?.metadata?.name ?? '' });
    recorder.record(pod, 'Normal', 'Started', 'Started');
    await clock.advance(0);
    expect(client.peek(KINDS.Event).map((e) => e.count)).toEqual([1]);
  });
});
