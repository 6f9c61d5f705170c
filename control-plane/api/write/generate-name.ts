const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MAX_GENERATED_NAME = 63;

/** A name that starts with `prefix`, cut where needed, and ends in five random characters. */
export function generateName(prefix: string): string {
  let suffix = '';
  for (let i = 0; i < SUFFIX_LENGTH; i++)
    suffix += NAME_ALPHABET[Math.floor(Math.random() * NAME_ALPHABET.length)] ?? '';
  return prefix.slice(0, MAX_GENERATED_NAME - SUFFIX_LENGTH) + suffix;
}
