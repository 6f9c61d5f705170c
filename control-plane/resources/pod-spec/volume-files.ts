/** What is wrong with the files that volumes are made of: keys of ConfigMaps and Secrets, and facts about the pod. */
import type { ErrorCause } from '../../../lib/errors.ts';
import type { NameRule } from '../../../lib/name-rules.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, invalid, required } from '../validation/field-errors.ts';
import { configKey, localPath, validateFileMode } from '../validation/texts.ts';
import { validateFieldRef, validateResourceRef } from './env.ts';

/** Keys that become files. */
export interface KeyFiles {
  readonly defaultMode?: number | undefined;
  readonly items?: readonly corev1.KeyToPath[] | undefined;
}

/** The path of a file in such a volume: relative, never out of it, and none of the names the volume itself uses. */
export const filePath: NameRule = (text) => {
  const problems = localPath(text);
  return problems.length === 0 && text.startsWith('..') ? ["must not start with '..'"] : problems;
};

/** Everything wrong with the keys that become files, at `path`. */
export function validateKeyFiles({ defaultMode, items }: KeyFiles, path: string): ErrorCause[] {
  return [
    ...validateFileMode(`${path}.defaultMode`, defaultMode),
    ...(items ?? []).flatMap((item, i) => {
      const at = `${path}.items[${i}]`;
      return [
        ...((item.key ?? '') === '' ? [] : byRule(`${at}.key`, item.key ?? '', configKey)),
        ...((item.path ?? '') === '' ? [] : byRule(`${at}.path`, item.path ?? '', filePath)),
        ...validateFileMode(`${at}.mode`, item.mode),
      ];
    }),
  ];
}

/** Everything wrong with facts about the pod that become files, at `path`. */
export function validateFactFiles(items: readonly corev1.DownwardAPIVolumeFile[], path: string): ErrorCause[] {
  return items.flatMap(({ path: file = '', fieldRef, resourceFieldRef, mode }, i) => {
    const at = `${path}[${i}]`;
    const causes = [
      ...(file === '' ? [] : byRule(`${at}.path`, file, filePath)),
      ...validateFileMode(`${at}.mode`, mode),
    ];
    if (fieldRef === undefined && resourceFieldRef === undefined) {
      causes.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
    }
    if (fieldRef !== undefined && resourceFieldRef !== undefined) {
      causes.push(invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
    if (fieldRef !== undefined) causes.push(...validateFieldRef(fieldRef, `${at}.fieldRef`, 'volume'));
    if (resourceFieldRef !== undefined) {
      if ((resourceFieldRef.containerName ?? '') === '') causes.push(required(`${at}.resourceFieldRef.containerName`));
      causes.push(...validateResourceRef(resourceFieldRef, `${at}.resourceFieldRef`));
    }
    return causes;
  });
}
