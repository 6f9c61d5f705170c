import { describe, expect, test } from 'vitest';
import { compilePath, compileTemplate } from './json-path.ts';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'x', labels: { 'app.kubernetes.io/name': 'n', b: 'c' } },
  spec: {
    containers: [
      { name: 'a', image: 'i1', ports: [{ containerPort: 80 }, { containerPort: 443 }] },
      { name: 'b', image: 'i2', n: 5 },
      { name: 'c', image: 'i3', n: 7, t: true },
    ],
  },
};

// What kubectl 1.32 prints for the same object.
const ROWS: readonly [string, string][] = [
  ['{.metadata.name}', 'x'],
  ['{.spec.containers[*].name}', 'a b c'],
  ['{range .spec.containers[*]}{.name}{"\\t"}{.image}{"\\n"}{end}', 'a\ti1\nb\ti2\nc\ti3\n'],
  ['{.spec.containers[?(@.name=="b")].image}', 'i2'],
  ['{.spec.containers[?(@.n>5)].name}', 'c'],
  ['{.spec.containers[?(@.n>=5)].name}', 'b c'],
  ['{.spec.containers[?( @.n < 6 )].name}', 'b'],
  ['{.spec.containers[?(@.n)].name}', 'b c'],
  ['{.spec.containers[?(@.t==true)].name}', 'c'],
  ["{.spec.containers[?(@.name!='b')].image}", 'i1 i3'],
  ["{.spec.containers[?(@.name=='a')].ports[*].containerPort}", '80 443'],
  ['{.spec.containers[?(@.ports[0].containerPort==80)].name}', 'a'],
  [
    '{.spec.containers[?(@.name=="a")]}',
    '{"name":"a","image":"i1","ports":[{"containerPort":80},{"containerPort":443}]}',
  ],
  ['{..containerPort}', '80 443'],
  ['{..name}', 'x a b c'],
  ['{.spec.containers[0:2].name}', 'a b'],
  ['{.spec.containers[-1].name}', 'c'],
  ['{.spec.containers[-2:].name}', 'b c'],
  ['{.spec.containers[0,2].name}', 'a c'],
  ['{.spec.containers[0:3:2].name}', 'a c'],
  ['{.spec.containers[::2].name}', 'a c'],
  ["{.spec.containers[0]['name','image']}", 'a i1'],
  ["{.spec.containers[*]['name','image']}", 'a b c i1 i2 i3'],
  ["{.spec['containers'][0].name}", 'a'],
  ['{.metadata.labels.app\\.kubernetes\\.io/name}', 'n'],
  ["{.metadata.labels['app\\.kubernetes\\.io/name']}", 'n'],
  ['{.metadata.labels}', '{"app.kubernetes.io/name":"n","b":"c"}'],
  ['{.metadata.labels.*}', 'n c'],
  ['{.spec.containers[0].ports}', '[{"containerPort":80},{"containerPort":443}]'],
  ['{.spec.containers[*].n}', '5 7'],
  ['{.nothing}', ''],
  ['x{.nothing.at.all}y', 'xy'],
  ['name is {.metadata.name}, kind {.kind}', 'name is x, kind Pod'],
  ['{$.metadata.name}{"\\n"}', 'x\n'],
  ['{@.metadata.name}', 'x'],
  ['{range .spec.containers[*]}{.name}:{range .ports[*]}{.containerPort},{end};{end}', 'a:80,443,;b:;c:;'],
  ['.metadata.name', '.metadata.name'],
  ['{.nothing[5]}', ''],
];

describe('a template prints what kubectl prints', () => {
  test.each(ROWS)('%s', (template, text) => {
    expect(compileTemplate(template)(pod)).toBe(text);
  });

  test('a quoted name needs no backslashes', () => {
    expect(compileTemplate("{.metadata.labels['app.kubernetes.io/name']}")(pod)).toBe('n');
  });

  test('within a range $ is still the whole object', () => {
    expect(compileTemplate('{range .spec.containers[*]}{$.kind}/{.name} {end}')(pod)).toBe('Pod/a Pod/b Pod/c ');
  });
});

describe('a template that cannot be used is refused', () => {
  const rows: readonly [string, string][] = [
    ['{.metadata.name', 'unclosed action'],
    ['{.spec.containers[}', '"}" is no list position'],
    ['{.spec.containers[0}', 'unterminated array'],
    ['{end}', '"end" without "range"'],
    ['{range .a}', 'unterminated range'],
    ['{metadata.name}', 'a path starts with "."'],
    ['{.a[?(@.b=~"x")]}', 'the comparison is none of'],
    ['{"x}', 'unterminated quoted text'],
    ['{.a[1:2:0]}', 'the step of a slice must be above 0'],
  ];
  test.each(rows)('%s', (template, message) => {
    expect(() => compileTemplate(template)).toThrow(message);
  });

  test('a position beyond the end', () => {
    expect(() => compileTemplate('{.spec.containers[5].name}')(pod)).toThrow(
      'array index out of bounds: index 5, length 3',
    );
  });
});

test.each(['{.metadata.name}', '.metadata.name', 'metadata.name'])('the single path %s', (path) => {
  expect(compilePath(path)(pod)).toEqual(['x']);
});
