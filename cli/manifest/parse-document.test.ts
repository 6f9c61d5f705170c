import { describe, expect, test } from 'vitest';
import { encodeJson } from './json-value.ts';
import { formatWarning, ManifestError } from './manifest-error.ts';
import { type ParsedDocument, parseYamlDocument } from './parse-document.ts';
import { parseManifests } from './read-manifests.ts';
import { SourceText } from './source-text.ts';

function parse(text: string): ParsedDocument {
  return parseYamlDocument(new SourceText('a.yaml', text), { start: 0, end: text.length });
}

function refusal(text: string): string {
  try {
    parse(text);
  } catch (err) {
    expect(err).toBeInstanceOf(ManifestError);
    return err instanceof Error ? err.message : '';
  }
  throw new Error('it was accepted');
}

describe('a document becomes plain JSON', () => {
  const rows: readonly [string, string, string][] = [
    ['a quoted number stays text', 'a: "0777"\nb: \'1\'', '{"a":"0777","b":"1"}'],
    ['keys are text', '1: a\n1.5: b\n0x10: c\non: d', '{"1":"a","16":"c","1.5":"b","true":"d"}'],
    ['explicit tags', 'a: !!str 123\nb: !!int "5"\nc: !!float 3\nd: !foo bar', '{"a":"123","b":5,"c":3,"d":"bar"}'],
    [
      'binary is decoded, dates are text',
      'a: !!binary aGVsbG8=\nb: !!timestamp 2001-12-14',
      '{"a":"hello","b":"2001-12-14"}',
    ],
    ['anchors and merges', 'b: &b {x: 1, z: 2}\nc:\n  <<: *b\n  z: 3', '{"b":{"x":1,"z":2},"c":{"x":1,"z":3}}'],
    ['of several merged maps the first wins', 'a:\n  <<: [{x: 1}, {x: 2, z: 3}]', '{"a":{"x":1,"z":3}}'],
    ['a quoted << is a key', 'a: {"<<": {b: 1}}', '{"a":{"<<":{"b":1}}}'],
    ['block scalars', 'a: |\n  x\n   y\nb: >-\n  x\n  y', '{"a":"x\\n y\\n","b":"x y"}'],
    ['a block at the end of a file without a line break has none', 'a: |\n  x\n  y', '{"a":"x\\ny"}'],
    ['a block that ends before the file does has its own', 'a: |\n  x\nb: >+\n  y', '{"a":"x\\n","b":"y"}'],
    ['JSON, tabs and all', '{\n\t"a": [1,\n\t\t{"b": null}]\n}', '{"a":[1,{"b":null}]}'],
    ['Windows line ends', 'a: 1\r\nb: |\r\n  x\r\n  y\r\n', '{"a":1,"b":"x\\ny\\n"}'],
    ['big integers are exact', 'a: 123456789012345678901', '{"a":123456789012345678901}'],
    ['an explicit null', 'a:\nb: ~', '{"a":null,"b":null}'],
  ];
  test.each(rows)('%s', (_, text, json) => {
    expect(encodeJson(parse(text).value)).toBe(json);
  });
});

describe('a document that cannot be used is refused with its place', () => {
  const rows: readonly [string, string, string][] = [
    ['tab', 'a:\n\tb: 1\n', 'a.yaml:2:1: a tab cannot indent YAML; use blanks\n    2 |  b: 1\n      | ^'],
    ['__proto__', 'a: {__proto__: 1}', 'a.yaml:1:5: the key "__proto__" is not allowed'],
    ['infinity', 'a: .inf', 'a.yaml:1:4: .inf is not a number JSON can hold; quote it if it is text'],
    ['missing anchor', 'a: *x', 'a.yaml:1:4: the alias *x has no anchor &x before it'],
    ['anchor in itself', 'a: &x [*x]', 'a.yaml:1:8: the anchor &x contains itself'],
    ['bad merge', 'a:\n  <<: 5', 'a.yaml:2:7: "<<" takes a map or a list of maps'],
    ['list as key', '? [a]\n: b', 'a.yaml:1:3: a key must be text, not a list or a map'],
    ['null as key', '~: b', 'a.yaml:1:1: a key cannot be null; quote it if it is text'],
    ['two keys on a line', 'a: b: c', 'a.yaml:1:4: a second "key: value" on one line'],
    ['reserved character', 'a: @x', 'a.yaml:1:4: text cannot start with "@" unless it is quoted'],
    ['open quote', 'a: "x', 'a.yaml:1:6: missing closing "quote'],
    ['wrong number', 'a: !!int x', 'a.yaml:1:10: "x" is not a number, as its tag !!int says'],
  ];
  test.each(rows)('%s', (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  test('all problems of a document are told at once', () => {
    expect(refusal('a: .inf\n? [x]\n: 1\nc: *no')).toMatch(/\.inf[\s\S]*must be text[\s\S]*no anchor/);
  });
});

test('of equal keys the last counts, with a warning at its place', () => {
  const document = parse('a: 1\nb:\n  c: 1\n  c: 2\non: x\ntrue: y');
  expect(document.value).toEqual({ a: 1, b: { c: 2 }, true: true });
  expect(document.warnings.map((warning) => formatWarning(warning))).toEqual([
    'Warning: a.yaml:4:3: the key "c" is already there on line 3; this one counts\n    4 |   c: 2\n      |   ^\n',
    'Warning: a.yaml:6:1: the key "true" is already there on line 5; this one counts\n    6 | true: y\n      | ^\n',
  ]);
  expect(document.positionOf('b.c')).toMatchObject({ line: 4, column: 6 });
});

describe('hostile documents are refused quickly', () => {
  const rows: readonly [string, string, RegExp][] = [
    ['brackets', '['.repeat(200_000), /nested more than 100/],
    ['braces', 'a: '.concat('{a: '.repeat(5000)), /nested more than 100/],
    ['dashes on a line', '- '.repeat(5000), /nested more than 100/],
    ['indentation', Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''), /nested more than 100/],
    [
      'dashes and keys in turn',
      Array.from({ length: 60 }, (_, i) => `${' '.repeat(i * 6)}- - a:\n`).join(''),
      /nested more than 100/,
    ],
    [
      'billion laughs',
      `a0: &a0 [${'x,'.repeat(10)}]\n${Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]\n`).join('')}`,
      /aliases written out/,
    ],
    ['a long text many times', `a: &a ${'x'.repeat(100_000)}\nb: [${'*a,'.repeat(1000)}]`, /aliases written out/],
    ['four megabytes', `a: ${'x'.repeat(4 << 20)}`, /a\.yaml:1:1: the document has 4\.0 MiB; the limit is 3 MiB/],
  ];
  test.each(rows)('%s', (_, text, message) => {
    expect(refusal(text)).toMatch(message);
  });

  test('a hundred thousand keys are read in time', () => {
    const text = Array.from({ length: 100_000 }, (_, i) => `k${i}: v\n`).join('');
    expect(Object.keys(parse(text).value ?? {})).toHaveLength(100_000);
  }, 20_000);

  test('deep text in a block scalar is not nesting', () => {
    const deep = Array.from({ length: 300 }, (_, i) => `${' '.repeat(i + 2)}- x`).join('\n');
    expect(parse(`a: |\n${deep}\nb: 1`).value).toMatchObject({ b: 1 });
  });
});

describe('a field path leads to its place', () => {
  const text = [
    'metadata:',
    '  labels:',
    '    app.kubernetes.io/name: web',
    'common: &common',
    '  imagee: nginx',
    'spec:',
    '  containers:',
    '    - name: a',
    '      <<: *common',
    '    - { name: b, ports: [{ containerPort: x }] }',
  ].join('\n');
  const rows: readonly [string, 'key' | 'value', number, number][] = [
    ['spec.containers[0].name', 'value', 8, 13],
    ['spec.containers[0].name', 'key', 8, 7],
    ['spec.containers[0].imagee', 'key', 5, 3],
    ['spec.containers[1].ports[0].containerPort', 'value', 10, 43],
    ['metadata.labels[app.kubernetes.io/name]', 'value', 3, 29],
    ['metadata.labels.app.kubernetes.io/name', 'key', 3, 5],
    ['metadata.labels["app.kubernetes.io/name"]', 'key', 3, 5],
    ['spec.containers[1].image', 'value', 10, 7],
    ['spec.template.spec', 'value', 7, 3],
    ['', 'value', 1, 1],
  ];
  test.each(rows)('%s (%s) is at %i:%i', (path, of, line, column) => {
    expect(parse(text).positionOf(path, of)).toMatchObject({ line, column });
  });
});

describe('a file holds objects', () => {
  const objects = (text: string): string[] =>
    parseManifests(new SourceText('a.yaml', text), () => {}).map(
      (manifest) => `${manifest.apiVersion}/${manifest.kind}/${manifest.name}`,
    );
  const pod = (name: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\n`;

  test('several documents, empty ones left out', () => {
    expect(
      objects(`# top\n---\n${pod('a')}---\n---\n# only a comment\n--- # with a comment\n${pod('b')}...\n`),
    ).toEqual(['v1/Pod/a', 'v1/Pod/b']);
  });

  test('lists, nested and typed', () => {
    const text =
      'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}\n' +
      '- kind: PodList\n  apiVersion: v1\n  items: [{metadata: {name: p}}]\n- {apiVersion: v1, kind: List}';
    expect(objects(text)).toEqual(['apps/v1/Deployment/d', 'v1/Pod/p']);
  });

  test('a name that YAML does not read as text', () => {
    const read = (name: string): unknown =>
      parseManifests(new SourceText('a.yaml', `kind: Pod\napiVersion: v1\nmetadata: {name: ${name}}\n`), () => {});
    for (const name of ['on', '1', '1e3']) {
      expect(() => read(name)).toThrow('a.yaml:3:18: "metadata.name" must be text; quote it');
    }
    expect(() => read('"1"')).not.toThrow();
  });

  test('places within lists and later documents are those of the file', () => {
    const text = `${pod('a')}---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n  spec: {x: 1}\n`;
    const [, second] = parseManifests(new SourceText('a.yaml', text), () => {});
    expect(second?.positionOf('spec.x', 'key')).toMatchObject({ line: 11, column: 10 });
    expect(second?.problemAt('spec.x', 'unknown field', 'key')).toEqual({
      file: 'a.yaml',
      message: 'unknown field',
      position: { line: 11, column: 10 },
      sourceLine: '  spec: {x: 1}',
    });
  });

  const refused: readonly [string, string, string][] = [
    ['no kind', 'apiVersion: v1\nmetadata: {}', 'a.yaml:1:1: the object has no "kind"'],
    ['no apiVersion', 'kind: Pod', 'a.yaml:1:1: the Pod has no "apiVersion"'],
    ['kind is no text', 'apiVersion: v1\nkind: 5', 'a.yaml:2:7: "kind" must be text'],
    ['a list', '- a', 'a.yaml:1:1: an object with apiVersion and kind is expected here'],
    ['items of a list', 'apiVersion: v1\nkind: List\nitems:\n- 5', 'a.yaml:4:3: an object with apiVersion and kind'],
  ];
  test.each(refused)('refused: %s', (_, text, message) => {
    expect(() => objects(text)).toThrow(message);
  });

  test('problems of all documents are told at once', () => {
    expect(() => objects('a: [\n---\nkind: Pod\n')).toThrow(
      /a\.yaml:\d[\s\S]*a\.yaml:3:1: the Pod has no "apiVersion"/,
    );
  });
});
