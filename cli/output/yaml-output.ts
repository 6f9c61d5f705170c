import { isJsonList, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { resolvesToText } from './yaml-text.ts';

/**
 * A value as kubectl prints YAML: keys sorted, lists not indented under their key, text of several lines as a block, and
 * quotes wherever a reader of YAML 1.1 or 1.2 might see something other than text. Ends with a newline. Reading it back
 * gives the value again.
 */
export function formatYaml(value: JsonValue): string {
  return `${node(value, 0)}\n`;
}

/** Text of a value whose lines stand at `indent`; the first line is continued from where the caller is. */
function node(value: JsonValue, indent: number): string {
  if (typeof value === 'string') return text(value, indent);
  if (typeof value !== 'object' || value === null) return String(value);
  if (isJsonList(value)) return list(value, indent);
  return map(value, indent);
}

function list(items: readonly JsonValue[], indent: number): string {
  if (items.length === 0) return '[]';
  return items.map((item) => `- ${node(item, indent + 2)}`).join(newline(indent));
}

function map(value: JsonObject, indent: number): string {
  const keys = Object.keys(value).sort(compareKeys);
  if (keys.length === 0) return '{}';
  return keys
    .map((key) => {
      const child = value[key] ?? null;
      const name = text(key, 0, true);
      if (isJsonList(child) && child.length > 0) return `${name}:${newline(indent)}${list(child, indent)}`;
      if (isMapWithKeys(child)) return `${name}:${newline(indent + 2)}${map(child, indent + 2)}`;
      return `${name}: ${node(child, indent + 2)}`;
    })
    .join(newline(indent));
}

function isMapWithKeys(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isJsonList(value) && Object.keys(value).length > 0;
}

function newline(indent: number): string {
  return `\n${' '.repeat(indent)}`;
}

function text(value: string, indent: number, isKey = false): string {
  if (value === '') return '""';
  if (!isKey && value.includes('\n') && fitsBlock(value)) return block(value, indent);
  if (!resolvesToText(value)) return doubleQuoted(value);
  if (fitsPlain(value)) return value;
  return fitsSingleQuotes(value) ? `'${value.replaceAll("'", "''")}'` : doubleQuoted(value);
}

/** What YAML can hold unescaped: no controls, line separators, byte order marks or halves of surrogate pairs. */
const PRINTABLE = /^[\t\n\u0020-\u007e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]*$/u;

function hasUnprintable(value: string): boolean {
  return !PRINTABLE.test(value);
}

/** A block keeps text exactly, unless a line ends in a blank (easily lost) or it holds what only quotes can express. */
function fitsBlock(value: string): boolean {
  return !hasUnprintable(value) && !/[ \t](?:\n|$)/.test(value) && !/^\n*$/.test(value);
}

function block(value: string, indent: number): string {
  // A first line that starts with a blank hides how far the block is indented: say it.
  const hint = /^\n*[ \t]/.test(value) ? '2' : '';
  const chomp = value.endsWith('\n\n') ? '+' : value.endsWith('\n') ? '' : '-';
  const body = value.endsWith('\n') ? value.slice(0, -1) : value;
  const pad = ' '.repeat(Math.max(indent, 2));
  return `|${hint}${chomp}\n${body
    .split('\n')
    .map((line) => (line === '' ? '' : pad + line))
    .join('\n')}`;
}

function fitsPlain(value: string): boolean {
  if (/^[\s\-?:,[\]{}#&*!|>'"%@`]/.test(value) && !/^[-?:][^\s,[\]{}]/.test(value)) return false;
  if (/^(?:---|\.\.\.)/.test(value)) return false;
  // Brackets and commas matter only in flow text, which is never printed.
  return !/: |:$| #|\s$|[\t\n]/.test(value) && !hasUnprintable(value);
}

function fitsSingleQuotes(value: string): boolean {
  return !/[\t\n]/.test(value) && !hasUnprintable(value);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\u001b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
};

function doubleQuoted(value: string): string {
  let out = '';
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0;
    if (ESCAPES[character] !== undefined) out += ESCAPES[character];
    else if (!hasUnprintable(character)) out += character;
    else out += code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  }
  return `"${out}"`;
}

/**
 * Kubernetes' order of keys: runs of digits compare as numbers, and what is no letter comes before letters. So `a2` is
 * before `a10`, and `a-b` before `ab`.
 */
export function compareKeys(a: string, b: string): number {
  const left = Array.from(a);
  const right = Array.from(b);
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const x = left[at] ?? '';
    const y = right[at] ?? '';
    if (x === y) continue;
    const xLetter = /\p{L}/u.test(x);
    const yLetter = /\p{L}/u.test(y);
    if (xLetter !== yLetter) return xLetter ? 1 : -1;
    if (xLetter) return x < y ? -1 : 1;
    const xDigits = digitsFrom(left, at);
    const yDigits = digitsFrom(right, at);
    const byNumber = Number(xDigits === '' ? 0 : xDigits) - Number(yDigits === '' ? 0 : yDigits);
    if (byNumber !== 0) return byNumber;
    if (xDigits.length !== yDigits.length) return xDigits.length - yDigits.length;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

function digitsFrom(characters: readonly string[], at: number): string {
  let digits = '';
  for (let index = at; /^[0-9]$/.test(characters[index] ?? ''); index++) digits += characters[index];
  return digits;
}
