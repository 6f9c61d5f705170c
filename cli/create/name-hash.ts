import { createHash } from 'node:crypto';
import { encodeJson, type JsonObject } from '../manifest/json-value.ts';
import { sortKeys } from '../output/sort-keys.ts';

/** Letters that take the place of digits and vowels, so that no hash spells a word. */
const REPLACED: Readonly<Record<string, string>> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };

/**
 * Ten characters for a name, the same for the same content: what kubectl and kustomize append to the names of generated
 * ConfigMaps and Secrets. `content` is what counts: kind, name, data and, for Secrets, the type.
 */
export function nameHash(content: JsonObject): string {
  // The reference encoder writes these characters escaped, and the hash is of what it writes.
  const text = encodeJson(sortKeys(content)).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  const hex = createHash('sha256').update(text).digest('hex').slice(0, 10);
  return hex.replace(/[013ae]/g, (digit) => REPLACED[digit] ?? digit);
}
