import { expect, test } from 'vitest';
import { propagation } from './deletion.ts';

test('what is deleted takes what it owns along, whatever the kind does by itself', () => {
  expect(propagation(undefined)).toEqual({ propagationPolicy: 'Background' });
  expect(propagation('orphan')).toEqual({ propagationPolicy: 'Orphan' });
  expect(() => propagation('sideways')).toThrow('invalid cascade value (sideways)');
});
