/** Mutations of YAML as text: what editors, templates and half-copied files make of it. */
import { pick, type Random } from './mutate-json.ts';

const SCRAPS = [
  '\t',
  '- ',
  ': ',
  '---\n',
  '...\n',
  '&a ',
  '*a',
  '*nobody',
  '!!binary ',
  '!custom ',
  '? ',
  '|\n',
  '>-\n',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  '#',
  '%YAML 1.1\n',
  '<<: *a\n',
  '\u0000',
  '\ufeff',
  '\u2028',
  '{{ .Values.name }}',
  '1_000',
  '0o17',
  '.inf',
  'yes',
  '~',
  '\r\n',
  '\u{1F4A5}',
];

/** `text` with a few mutations of characters and lines. `other` is another text to take lines from. */
export function mutateText(random: Random, text: string, other: string): string {
  let lines = text.split('\n');
  const times = 1 + Math.floor(random() * 3);
  for (let i = 0; i < times; i++) lines = mutateLines(random, lines, other.split('\n'));
  return lines.join('\n');
}

function mutateLines(random: Random, lines: readonly string[], others: readonly string[]): string[] {
  const at = Math.floor(random() * lines.length);
  const line = lines[at] ?? '';
  const column = Math.floor(random() * (line.length + 1));
  const withLine = (...instead: readonly string[]): string[] => [
    ...lines.slice(0, at),
    ...instead,
    ...lines.slice(at + 1),
  ];
  const steps: readonly (() => string[])[] = [
    () => withLine(),
    () => withLine(line, line),
    () => withLine(`  ${line}`),
    () => withLine(line.replace(/^ {1,2}/, '')),
    () => withLine(`\t${line}`),
    () => withLine(line.slice(0, column) + pick(random, SCRAPS) + line.slice(column)),
    () => withLine(line.slice(0, column)),
    () => withLine(line.slice(0, column) + line.slice(column + 1)),
    () => withLine(line, pick(random, others)),
    () => withLine(line.replace(/:.*/, ':')),
    () => withLine(line.replace(/: .*/, `: ${'a'.repeat(2_000)}`)),
    () => [...lines.slice(0, at)],
    () => [...lines.slice(at), ...lines.slice(0, at)],
    () => withLine('x: &x [*x, *x, *x]', line),
    () => withLine('a: &a [1,1,1,1,1,1,1,1,1]', 'b: &b [*a,*a,*a,*a,*a,*a,*a]', 'c: [*b,*b,*b,*b,*b,*b]', line),
    () => withLine(`${'['.repeat(200)}`, line),
  ];
  return pick(random, steps)();
}
