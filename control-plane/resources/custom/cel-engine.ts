/**
 * Rules in CEL (`x-kubernetes-validations`). The library is read when the first rule is met: most clusters have none. CEL always
 * ends, but nested loops over an object that people wrote may take long; so work is estimated before, and refused when too much.
 */

import { isIP } from 'node:net';
import type { CelFunc, CelInput } from '@bufbuild/cel';
import { errorMessage } from '../../../lib/errors.ts';
import { parseQuantity } from '../../../lib/quantity.ts';
import { hasTextFormat } from './formats.ts';
import { findPattern, matchesPattern, patternCost, patternProblem } from './pattern.ts';

/** A rule ready to be evaluated. */
export interface Program {
  /** It compares with the value before the change. */
  readonly usesOldSelf: boolean;
  /** Gives the rule's value. Throws an error with the reason when it has none, or would take too long to find. */
  evaluate(values: { readonly self: CelInput; readonly oldSelf: CelInput }, size: ValueSize): unknown;
}

/** How large the value is that a rule looks at. */
export interface ValueSize {
  /** Values in it, itself included. */
  readonly nodes: number;
  readonly characters: number;
}

/** What came of compiling a rule: a program, a mistake in it, or what in it is not known here. */
export type Compiled = { readonly program: Program } | { readonly mistake: string } | { readonly unknown: string };

type Cel = typeof import('@bufbuild/cel');
type Expr = ReturnType<Cel['parse']>['expr'];
type Engine = { readonly cel: Cel; readonly env: ReturnType<Cel['celEnv']>; readonly names: ReadonlySet<string> };

/** Steps one evaluation may take, by the estimate made before: well below a second. */
const MAX_STEPS = 5_000_000;
/** Characters times instructions that one match may take. */
const MAX_MATCH = 50_000_000;
/** Most parts of a text that a pattern finds. */
const MAX_FOUND = 10_000;
/** Longest rule, in characters, as in Kubernetes' order of size. */
const MAX_RULE = 20_000;
/** Names of functions whose result may be as long as the product of what went in. */
const GROWING: ReadonlySet<string> = new Set(['replace', 'join']);
const MACROS_OF_NEWER_FORMS = /\.\?|\[\?|\boptional\./;

let engine: Engine | undefined;
let loading: Promise<void> | undefined;

/** Reads the library; at once when it is there already. Rules can be compiled afterwards. */
export function loadRules(): Promise<void> {
  loading ??= load();
  return loading;
}

/** Whether rules can be compiled. */
export function rulesAreLoaded(): boolean {
  return engine !== undefined;
}

async function load(): Promise<void> {
  const [cel, { strings }, { timestampFromDate, durationFromMs }] = await Promise.all([
    import('@bufbuild/cel'),
    import('@bufbuild/cel/ext'),
    import('@bufbuild/protobuf/wkt'),
  ]);
  const { DYN } = cel.CelScalar;
  const env = cel.celEnv({
    funcs: [...strings, ...listFunctions(cel), ...textFunctions(cel)],
    variables: { self: DYN, oldSelf: DYN },
    re2: { compile: (pattern) => ({ test: (text) => boundedMatch(pattern, text) }) },
  });
  const names = new Set([...env.funcs].map(({ name }) => name));
  for (const built of ['_&&_', '_||_', '_?_:_', '_[_]', '@not_strictly_false', '@in']) names.add(built);
  engine = { cel, env, names };
  times.timestamp = (text) => timestampFromDate(new Date(text)) as CelInput;
  times.duration = (ms) => durationFromMs(ms) as CelInput;
}

/** Makes the values of CEL that JSON writes as texts. Set once the library is there. */
export const times: {
  timestamp: (text: string) => CelInput;
  duration: (ms: number) => CelInput;
} = { timestamp: (text) => text, duration: String };

/** Of Kubernetes' own functions those on lists of numbers and texts. */
function listFunctions({ celMethod, CelScalar, listType }: Cel): CelFunc[] {
  const list = listType(CelScalar.DYN);
  type Ordered = number | bigint | string;
  const items = (values: Iterable<unknown>): Ordered[] => [...values] as Ordered[];
  const extreme = (values: Ordered[], better: (a: Ordered, b: Ordered) => boolean): Ordered => {
    const [first, ...rest] = values;
    if (first === undefined) throw new Error('the list is empty');
    return rest.reduce((best, value) => (better(value, best) ? value : best), first);
  };
  return [
    celMethod('isSorted', list, [], CelScalar.BOOL, function () {
      return items(this).every((value, i, all) => i === 0 || (all[i - 1] ?? value) <= value);
    }),
    celMethod('sum', list, [], CelScalar.DYN, function () {
      return items(this).reduce((sum, value) => ((sum as number) + (value as number)) as Ordered, zeroOf(items(this)));
    }),
    celMethod('min', list, [], CelScalar.DYN, function () {
      return extreme(items(this), (a, b) => a < b);
    }),
    celMethod('max', list, [], CelScalar.DYN, function () {
      return extreme(items(this), (a, b) => a > b);
    }),
  ];
}

/** Of Kubernetes' own functions those that ask what a text is, and what a pattern finds in it. */
function textFunctions({ celFunc, celMethod, CelScalar, listType }: Cel): CelFunc[] {
  const { STRING, BOOL, INT } = CelScalar;
  const asks = (name: string, test: (text: string) => boolean): CelFunc => celFunc(name, [STRING], BOOL, test);
  const find = (pattern: string, text: string, limit: number): string[] => {
    refuseLongMatch(pattern, text);
    return findPattern(pattern, text, limit);
  };
  return [
    asks('isURL', (text) => hasTextFormat('uri', text)),
    asks('isIP', (text) => isIP(text) !== 0),
    asks('isCIDR', (text) => hasTextFormat('cidr', text)),
    asks('isQuantity', (text) => parseQuantity(text) !== undefined),
    celMethod('find', STRING, [STRING], STRING, function (pattern) {
      return find(pattern, this, 1)[0] ?? '';
    }),
    celMethod('findAll', STRING, [STRING], listType(STRING), function (pattern) {
      return find(pattern, this, MAX_FOUND);
    }),
    celMethod('findAll', STRING, [STRING, INT], listType(STRING), function (pattern, limit) {
      return find(pattern, this, Math.min(Number(limit), MAX_FOUND));
    }),
  ];
}

function zeroOf([first]: readonly (number | bigint | string)[]): number | bigint {
  return typeof first === 'number' ? 0 : 0n;
}

function boundedMatch(pattern: string, text: string): boolean {
  refuseLongMatch(pattern, text);
  return matchesPattern(pattern, text);
}

function refuseLongMatch(pattern: string, text: string): void {
  const problem = patternProblem(pattern);
  if (problem !== undefined) throw new Error(problem);
  if (text.length * patternCost(pattern) > MAX_MATCH) throw new Error('the text is too long for that pattern');
}

const compiledRules = new Map<string, Compiled>();
const MAX_COMPILED = 5_000;

/** Compiles a rule. {@link loadRules} must have resolved. The same rule is compiled once. */
export function compileRule(rule: string): Compiled {
  let found = compiledRules.get(rule);
  if (found === undefined) {
    found = compileWithin(rule);
    if (compiledRules.size >= MAX_COMPILED) compiledRules.clear();
    compiledRules.set(rule, found);
  }
  return found;
}

/** A rule nested so deep that reading it runs out of stack is a mistake like another. */
function compileWithin(rule: string): Compiled {
  try {
    return compile(rule);
  } catch (err) {
    if (err instanceof RangeError) return { mistake: 'it is nested too deep' };
    throw err;
  }
}

function compile(rule: string): Compiled {
  if (engine === undefined) throw new Error('the library of rules is not loaded');
  const { cel, env, names } = engine;
  if (rule.length > MAX_RULE) return { mistake: `it has ${rule.length} characters, at most ${MAX_RULE} are allowed` };
  let expr: Expr;
  try {
    expr = cel.parse(rule).expr;
  } catch (err) {
    // Forms of the language that the library does not know are no mistakes.
    if (MACROS_OF_NEWER_FORMS.test(rule)) return { unknown: 'optional values' };
    return { mistake: errorMessage(err) };
  }
  const facts: Facts = { size: 0, depth: 0, growth: 0, chain: 0, usesOldSelf: false, unknown: undefined };
  look(expr, { names, facts, depth: 0, growth: 0, chain: 0 });
  if (facts.unknown !== undefined) return { unknown: facts.unknown };
  const run = cel.plan(env, expr);
  const evaluate: Program['evaluate'] = (values, size) => {
    if (estimate(facts, size) > MAX_STEPS) throw new Error('the object is too large for that rule');
    const result = run(values);
    if (cel.isCelError(result)) throw new Error(result.message);
    return result;
  };
  return { program: { usesOldSelf: facts.usesOldSelf, evaluate } };
}

/** What of a rule decides how much work it is. */
interface Facts {
  size: number;
  /** Loops within loops. */
  depth: number;
  /** Calls that multiply texts, of results of such calls. */
  growth: number;
  /** Loops over what loops gave: each may double the texts in it. */
  chain: number;
  usesOldSelf: boolean;
  unknown: string | undefined;
}

function estimate({ size, depth, growth, chain }: Facts, value: ValueSize): number {
  const texts = growth < 2 ? 1 : value.characters ** (growth - 1);
  return size * value.nodes ** depth * texts * 2 ** chain;
}

interface Look {
  readonly names: ReadonlySet<string>;
  readonly facts: Facts;
  readonly depth: number;
  readonly growth: number;
  readonly chain: number;
}

function look(expr: Expr | undefined, at: Look): void {
  if (expr === undefined) return;
  const { facts, names } = at;
  facts.size += 1;
  facts.depth = Math.max(facts.depth, at.depth);
  facts.growth = Math.max(facts.growth, at.growth);
  facts.chain = Math.max(facts.chain, at.chain);
  const { exprKind: kind } = expr;
  switch (kind.case) {
    case 'identExpr':
      if (kind.value.name === 'oldSelf') facts.usesOldSelf = true;
      return;
    case 'selectExpr':
      look(kind.value.operand, at);
      return;
    case 'callExpr': {
      const { target, args, function: name } = kind.value;
      if (!names.has(name)) facts.unknown ??= `the function ${name}`;
      const inner = GROWING.has(name) ? { ...at, growth: at.growth + 1 } : at;
      for (const one of [target, ...args]) look(one, inner);
      return;
    }
    case 'listExpr':
      for (const one of kind.value.elements) look(one, at);
      return;
    case 'structExpr':
      for (const entry of kind.value.entries) {
        if (entry.keyKind.case === 'mapKey') look(entry.keyKind.value, at);
        look(entry.value, at);
      }
      return;
    case 'comprehensionExpr': {
      const { iterRange, accuInit, loopCondition, loopStep, result } = kind.value;
      const inner = { ...at, depth: at.depth + 1 };
      look(iterRange, { ...at, chain: at.chain + 1 });
      for (const one of [accuInit, loopCondition, loopStep, result]) look(one, inner);
      return;
    }
    default:
  }
}
