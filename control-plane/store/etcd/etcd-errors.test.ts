import { describe, expect, test } from 'vitest';
import { toApiError } from './etcd-errors.ts';

describe('toApiError', () => {
  const read = { doing: 'read x', writes: false };
  const write = { doing: 'write x', writes: true };
  test.each([
    ['14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED', write, 'ServiceUnavailable'],
    ['14 UNAVAILABLE: Connection dropped', write, 'Timeout'],
    ['14 UNAVAILABLE: Connection dropped', read, 'ServiceUnavailable'],
    ['14 UNAVAILABLE: etcdserver: request timed out', write, 'Timeout'],
    ['14 UNAVAILABLE: etcdserver: no leader', write, 'ServiceUnavailable'],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded', write, 'Timeout'],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded', read, 'ServiceUnavailable'],
    ['11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted', read, 'Expired'],
    ['3 INVALID_ARGUMENT: etcdserver: request is too large', write, 'RequestEntityTooLarge'],
    ['8 RESOURCE_EXHAUSTED: grpc: received message larger than max (5 vs. 4)', write, 'RequestEntityTooLarge'],
    ['8 RESOURCE_EXHAUSTED: etcdserver: too many requests', write, 'TooManyRequests'],
    ['8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded', write, 'ServiceUnavailable'],
    ['7 PERMISSION_DENIED: etcdserver: permission denied', write, 'InternalError'],
  ])('%s (%o) is %s', (message, call, reason) => {
    const cause = new Error(message);
    expect(toApiError(cause, call)).toMatchObject({ reason, cause });
    expect(toApiError(cause, call).message).toContain(`Cannot ${call.doing}: `);
  });
});
