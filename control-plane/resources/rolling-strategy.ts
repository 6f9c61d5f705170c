/** Rules of a Deployment's strategy. */
import type { ErrorCause } from '../../lib/errors.ts';
import { integerOf, percentOf } from '../../lib/int-or-string.ts';
import type { appsv1 } from '../../proto/index.ts';
import { forbidden, invalid, required } from './validation/field-errors.ts';

/** Everything wrong with the strategy at `path`. */
export function validateStrategy(strategy: appsv1.DeploymentStrategy | undefined, path: string): ErrorCause[] {
  const rolling = strategy?.rollingUpdate;
  if (strategy?.type === 'Recreate' && rolling !== undefined) {
    return [forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (strategy?.type !== 'RollingUpdate') return [];
  if (rolling === undefined) return [required(`${path}.rollingUpdate`, 'this should be defaulted and never be nil')];
  const causes = [
    ...validateCount(rolling.maxUnavailable, `${path}.rollingUpdate.maxUnavailable`),
    ...validateCount(rolling.maxSurge, `${path}.rollingUpdate.maxSurge`),
  ];
  if ((percentOf(rolling.maxUnavailable) ?? 0) > 100) {
    causes.push(
      invalid(`${path}.rollingUpdate.maxUnavailable`, rolling.maxUnavailable, 'must not be greater than 100%'),
    );
  }
  if (isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge)) {
    const field = `${path}.rollingUpdate.maxUnavailable`;
    causes.push(invalid(field, rolling.maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  return causes;
}

function validateCount(text: string | undefined, field: string): ErrorCause[] {
  const count = integerOf(text);
  if (count !== undefined) return count < 0 ? [invalid(field, count, 'must be greater than or equal to 0')] : [];
  return percentOf(text) === undefined ? [invalid(field, text, "must be an integer or percentage (e.g '5%')")] : [];
}

function isZero(text: string | undefined): boolean {
  return (integerOf(text) ?? percentOf(text)) === 0;
}
