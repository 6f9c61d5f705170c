/** What is wrong with tolerations. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { labelValue, qualifiedName } from '../../../lib/name-rules.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, invalid } from '../validation/field-errors.ts';

/** Everything wrong with the tolerations at `path`. */
export function validateTolerations(tolerations: readonly corev1.Toleration[], path: string): ErrorCause[] {
  return tolerations.flatMap((toleration, i) => validateToleration(toleration, `${path}[${i}]`));
}

function validateToleration(toleration: corev1.Toleration, path: string): ErrorCause[] {
  const { key = '', operator = 'Equal', value = '', effect, tolerationSeconds } = toleration;
  const causes = key === '' ? [] : byRule(`${path}.key`, key, qualifiedName);
  if (key === '' && operator !== 'Exists') {
    const why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    causes.push(invalid(`${path}.operator`, toleration.operator ?? '', why));
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    const why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
    causes.push(invalid(`${path}.effect`, effect ?? '', why));
  }
  if (operator === 'Exists' && value !== '') {
    causes.push(invalid(`${path}.operator`, operator, "value must be empty when `operator` is 'Exists'"));
  }
  if (operator === 'Equal') causes.push(...byRule(`${path}.value`, value, labelValue));
  return causes;
}
