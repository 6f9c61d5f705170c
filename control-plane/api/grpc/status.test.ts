import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { statusToApiError } from '../../../lib/client/grpc-status.ts';
import { STATUS_TRAILER } from '../../../lib/client/status-error.ts';
import { ApiError } from '../../../lib/errors.ts';
import { toServiceError } from './status.ts';

describe('errors over gRPC', () => {
  test('arrive as they were sent', () => {
    const causes = [{ field: 'spec.x', reason: 'FieldValueInvalid', message: 'Invalid value: 1: too small' }];
    const sent = new ApiError('Invalid', 'Pod "p" is invalid: spec.x: …', { causes, retryAfterMs: 250 });
    const error = toServiceError(sent);
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    const received = statusToApiError(Object.assign(new Error('x'), error), 'server');
    expect(received).toMatchObject({ reason: 'Invalid', message: sent.message, causes, retryAfterMs: 250 });
  });

  test('keep their trailer within 8 KiB whatever is wrong, and count what they leave out', () => {
    const causes = Array.from({ length: 5_000 }, (_, i) => ({
      field: `f${i}`,
      reason: 'FieldValueInvalid',
      message: 'é'.repeat(2_000),
    }));
    const error = toServiceError(new ApiError('Invalid', 'ü'.repeat(100_000), { causes }));
    const [trailer] = error.metadata.get(STATUS_TRAILER);
    expect((trailer as Buffer).byteLength).toBeLessThanOrEqual(8 * 1024);
    const received = statusToApiError(Object.assign(new Error('x'), error), 'server');
    expect(received.causes.at(-1)?.message).toMatch(/^and \d{4} more problems$/);
  });

  test('hide nothing of an unexpected failure but its stack', () => {
    const error = toServiceError(new TypeError('x is not a function'));
    expect(error).toMatchObject({ code: status.INTERNAL, details: 'Internal error: x is not a function' });
  });

  test.each([
    [
      'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
      /connection refused/,
    ],
    [
      'No connection established. Last error: Error: self-signed certificate in certificate chain. Resolution note: ',
      /not signed by the CA/,
    ],
    [
      'No connection established. Last error: Error: 80:SSL alert number 48. Resolution note: ',
      /does not accept our certificate/,
    ],
  ])('explain %s', (details, message) => {
    const err = Object.assign(new Error(details), {
      code: status.UNAVAILABLE,
      details,
      metadata: toServiceError(new Error()).metadata,
    });
    err.metadata.remove(STATUS_TRAILER);
    expect(statusToApiError(err, 'pi4:7443').message).toMatch(message);
  });
});
