import { expect, test } from 'vitest';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { FakeClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import { StatusWriter } from './status-writer.ts';
import { deletePodObject } from './tear-down-pod.ts';

const POD: corev1.Pod = { metadata: { namespace: 'shop', name: 'db-0', uid: 'u1' } };

test('a pod whose name another node runs by now is let go: no status is pressed on it, and its end is no failure', async () => {
  let asked = 0;
  const refuse = (): Promise<never> => {
    asked += 1;
    return Promise.reject(new ApiError('Forbidden', "no relationship found between node 'a' and this object"));
  };
  const client = { update: refuse, get: refuse, delete: refuse } as unknown as ResourceClient;
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const statuses = new StatusWriter({ client, clock: new FakeClock(0), log });
  statuses.put(POD, { phase: 'Failed' });
  await statuses.flush('u1', AbortSignal.timeout(5_000));
  expect(asked).toBe(1);
  await deletePodObject({ client }, POD, AbortSignal.timeout(5_000));
  statuses.close();
});
