// Writes docs/compatibility.md from the schema: the kinds served, and every field that is kept but not acted on yet.
// With --check it writes nothing and fails when the page is not current. Usage: node build/compatibility.mjs [--check]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/compatibility.md');
const table = JSON.parse(readFileSync(join(root, 'proto/gen/schema-table.json'), 'utf8'));
const TEMPLATE = 'skiff.core.v1.PodTemplateSpec';

const text = compatibilityPage();
if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
} else if (readPage() !== text) {
  process.stderr.write('docs/compatibility.md is not current: run node build/compatibility.mjs\n');
  process.exitCode = 1;
}

function readPage() {
  try {
    return readFileSync(page, 'utf8');
  } catch {
    return '';
  }
}

function compatibilityPage() {
  const all = Object.entries(table).filter(([, row]) => row.k !== undefined);
  const kinds = all.filter(([, row]) => row.k.unsupported === undefined);
  const withoutEffect = all.filter(([, row]) => row.k.unsupported !== undefined);
  return `${[
    '# Compatibility with Kubernetes',
    '',
    'Made from the schema by `build/compatibility.mjs`; edit the `.proto` files instead.',
    '',
    'Every kind below has the whole field set of its Kubernetes kind. A manifest of any other kind or version is refused by',
    'name. A field listed here as without effect is checked, stored and given back like any other, and each write that sets',
    'it is answered with a warning; the fields that are not listed are acted on.',
    '',
    '## Kinds',
    '',
    '| kind | apiVersion | names | scope | what it is |',
    '| --- | --- | --- | --- | --- |',
    ...kinds.map(([, row]) => kindLine(row)),
    '',
    ...(withoutEffect.length === 0 ? [] : kindsWithoutEffect(withoutEffect)),
    '## Fields without effect',
    '',
    'What is said of `containers[]` holds for `initContainers[]` too.',
    '',
    ...kinds.flatMap(([name, row]) => kindSection(name, row)),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

function kindsWithoutEffect(kinds) {
  return [
    '## Kinds without effect',
    '',
    'Objects of these kinds are checked, stored and given back like any other, so that sets of manifests that hold them apply;',
    'each write of one is answered with a warning.',
    '',
    '| kind | apiVersion | names | scope | is stored but … |',
    '| --- | --- | --- | --- | --- |',
    ...kinds.map(([, row]) => kindLine({ ...row, d: row.k.unsupported })),
    '',
  ];
}

function kindLine({ k, d = '' }) {
  const apiVersion = k.group === '' ? k.version : `${k.group}/${k.version}`;
  const names = [k.plural, k.singular, ...k.shortNames].map((name) => `\`${name}\``).join(', ');
  return `| ${k.kind} | \`${apiVersion}\` | ${names} | ${k.namespaced ? 'namespace' : 'cluster'} | ${d} |`;
}

function kindSection(name, row) {
  const found = [];
  const templates = [];
  collect(name, '', { found, templates, above: [] });
  if (found.length === 0 && templates.length === 0) return [];
  return [
    `### ${row.k.kind}`,
    '',
    ...templates.map((path) => `Everything said of Pod holds for \`${path}\`.`),
    ...(found.length > 0 ? ['| field | is stored but … |', '| --- | --- |'] : []),
    ...merged(found),
    '',
  ];
}

/** Volume types differ by nothing but their names: one row says it of all. */
function merged(found) {
  const rows = new Map();
  for (const [path, effect] of found) {
    const [, parent = '', name = ''] = /^(.*)\.([^.]+)$/.exec(path) ?? [];
    const key = `${parent} ${effect}`;
    const row = rows.get(key) ?? { parent, names: [], effect };
    row.names.push(name);
    rows.set(key, row);
  }
  return [...rows.values()].map(({ parent, names, effect }) => {
    const paths =
      names.length < 4 ? names.map((name) => `\`${parent}.${name}\``) : [`\`${parent}\`: ${names.join(', ')}`];
    return `| ${paths.join(', ')} | ${effect} |`;
  });
}

/** Lists the paths of unsupported fields below a message, in the order of the schema. What lies below one is not listed. */
function collect(name, path, { found, templates, above }) {
  if (above.includes(name)) return;
  for (const field of table[name].f) {
    // Programs write the status, people do not; and what holds for containers holds for init containers.
    if ((path === '' && field.n === 'status') || field.n === 'initContainers') continue;
    const at = `${path}${path === '' ? '' : '.'}${field.n}${field.c === 'list' ? '[]' : ''}`;
    if (field.u !== undefined) found.push([at, field.u]);
    else if (field.t === TEMPLATE) templates.push(at);
    else if (field.t.includes('.')) collect(field.t, at, { found, templates, above: [...above, name] });
  }
}
