import { describe, expect, it } from 'vitest';
import { ApiError } from './errors.ts';
import {
  formatFieldSelector,
  formatLabelSelector,
  labelRequirements,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  selectorMatches,
} from './selectors.ts';

describe('a label selector in text form', () => {
  const web = { app: 'web', tier: 'front', replicas: '5', 'example.com/team': 'a' };
  it.each([
    ['nothing asked', '', true],
    ['equality', 'app=web', true],
    ['equality with two signs', 'app == web', true],
    ['another value', 'app=db', false],
    ['inequality', 'app!=db', true],
    ['inequality of an absent label', 'color!=red', true],
    ['all of several', 'app=web, tier=front', true],
    ['one of several fails', 'app=web,tier=back', false],
    ['in a set', 'tier in (front, back)', true],
    ['not in a set', 'tier notin (front,back)', false],
    ['an absent label is in no set', 'color notin (red)', true],
    ['presence', 'app', true],
    ['presence of a prefixed key', 'example.com/team', true],
    ['absence', '!color', true],
    ['absence of a present label', '! app', false],
    ['greater', 'replicas>4', true],
    ['less', 'replicas < 5', false],
    ['a number compared with a word', 'app>4', false],
    ['a key called in', 'in=x', false],
    ['an empty value', 'color=', false],
    ['an empty value in a set', 'app in (,web)', true],
    ['a name from the prototype', 'constructor', false],
  ])('%s: %s', (_what, text, matches) => {
    expect(matchesLabels(parseLabelSelector(text), web)).toBe(matches);
  });

  it.each([
    ['app=web,', 'found the end of the text, expected a label key'],
    ['=web', 'found "=web", expected a label key'],
    ['app in front', 'found "front", expected "("'],
    ['app in (front', 'found the end of the text, expected ")"'],
    ['app web', `found "web", expected one of`],
    ['-app=web', 'key "-app": name part must consist of alphanumeric characters'],
    ['a/b/c=web', 'key "a/b/c": a qualified name'],
    ['app=we b', 'found "b", expected ","'],
    ['app=web_', 'value "web_": a valid label must be an empty string or consist of'],
    ['app>many', 'for "app" the value must be an integer'],
    [`app=${'x'.repeat(64)}`, 'must be no more than 63 bytes'],
  ])('refuses %s', (text, problem) => {
    expect(() => parseLabelSelector(text)).toThrow(ApiError);
    expect(() => parseLabelSelector(text)).toThrow(problem);
  });

  it.each([
    ['b=2,a=1', 'a=1,b=2'],
    ['a in (z,y)', 'a in (y,z)'],
    ['a in (z)', 'a=z'],
    ['a notin (y, z)', 'a notin (y,z)'],
    ['!a,b,c!=1,d>3,e<4', '!a,b,c!=1,d>3,e<4'],
  ])('prints %s as %s', (text, printed) => {
    expect(formatLabelSelector(parseLabelSelector(text))).toBe(printed);
    expect(formatLabelSelector(parseLabelSelector(printed))).toBe(printed);
  });
});

describe('a label selector of an object', () => {
  it('matches nothing when absent and everything when empty', () => {
    expect(selectorMatches(undefined, { a: 'b' })).toBe(false);
    expect(selectorMatches({}, { a: 'b' })).toBe(true);
    expect(selectorMatches({}, undefined)).toBe(true);
  });

  it('joins labels and expressions', () => {
    const selector = {
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['front', 'back'] },
        { key: 'canary', operator: 'DoesNotExist' },
      ],
    };
    expect(selectorMatches(selector, { app: 'web', tier: 'back' })).toBe(true);
    expect(selectorMatches(selector, { app: 'web', tier: 'back', canary: '' })).toBe(false);
    expect(selectorMatches(selector, { app: 'web' })).toBe(false);
    expect(formatLabelSelector(labelRequirements(selector) ?? [])).toBe('app=web,!canary,tier in (back,front)');
  });
});

describe('a field selector', () => {
  const fields: Record<string, string> = { 'status.phase': 'Running', 'spec.nodeName': 'a,b' };
  const fieldValue = (field: string): string => fields[field] ?? '';
  it.each([
    ['', true],
    ['status.phase=Running', true],
    ['status.phase==Running', true],
    ['status.phase!=Running', false],
    ['status.phase=Running,spec.nodeName!=c', true],
    ['spec.nodeName=a\\,b', true],
    ['spec.nodeName=', false],
    ['metadata.name=', true],
  ])('%s', (text, matches) => {
    expect(matchesFields(parseFieldSelector(text), fieldValue)).toBe(matches);
  });

  it('refuses a term without an operator', () => {
    expect(() => parseFieldSelector('status.phase')).toThrow('"status.phase" is not of the form field=value');
  });

  it('prints what it reads', () => {
    expect(formatFieldSelector(parseFieldSelector('a==b, c!=d\\,e'))).toBe('a=b,c!=d\\,e');
  });
});
