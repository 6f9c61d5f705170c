import type { JsonPathValue } from './json-path.ts';

/** Cannot use a JSONPath: what is wrong with it, and where. */
export class JsonPathError extends Error {
  override readonly name = 'JsonPathError';
}

/** One side of a comparison. */
export type Operand =
  | { readonly type: 'value'; readonly value: JsonPathValue }
  | { readonly type: 'path'; readonly path: readonly PathStep[] };

/** The comparisons a filter may make. */
export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** One step of a path. */
export type PathStep =
  | { readonly type: 'root' | 'wildcard' | 'descend' }
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'index'; readonly index: number }
  | { readonly type: 'slice'; readonly from?: number; readonly to?: number; readonly step?: number }
  | { readonly type: 'filter'; readonly left: Operand; readonly operator?: Operator; readonly right?: Operand }
  | { readonly type: 'union'; readonly steps: readonly PathStep[] };

/** A piece of a template. */
export type TemplateNode =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'path'; readonly path: readonly PathStep[] }
  | { readonly type: 'range'; readonly path: readonly PathStep[]; readonly body: readonly TemplateNode[] };

/** Parses a template of text and `{…}`. Throws {@link JsonPathError}. */
export function parseTemplate(template: string): TemplateNode[] {
  return new Parser(template).template();
}

/** Parses one path. Throws {@link JsonPathError}. */
export function parsePath(path: string): PathStep[] {
  const parser = new Parser(path);
  const steps = parser.path();
  parser.expectEnd();
  return steps;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  template(): TemplateNode[] {
    const open: { path: readonly PathStep[]; body: TemplateNode[] }[] = [{ path: [], body: [] }];
    const add = (node: TemplateNode): void => void open.at(-1)?.body.push(node);
    while (this.#at < this.#text.length) {
      const brace = this.#text.indexOf('{', this.#at);
      const end = brace === -1 ? this.#text.length : brace;
      if (end > this.#at) add({ type: 'text', text: this.#text.slice(this.#at, end) });
      this.#at = end;
      if (brace === -1) break;
      this.#at++;
      for (this.#blanks(); this.#peek() !== '}'; this.#blanks()) {
        if (this.#at >= this.#text.length) throw new JsonPathError('unclosed action: a "}" is missing');
        if (this.#word('range')) {
          this.#blanks();
          open.push({ path: this.path(), body: [] });
        } else if (this.#word('end')) {
          const range = open.length > 1 ? open.pop() : undefined;
          if (range === undefined) throw this.#error('"end" without "range"');
          add({ type: 'range', ...range });
        } else if (this.#peek() === '"' || this.#peek() === "'") {
          add({ type: 'text', text: this.#quoted() });
        } else {
          add({ type: 'path', path: this.path() });
        }
      }
      this.#at++;
    }
    if (open.length > 1) throw new JsonPathError('unterminated range: "{end}" is missing');
    return open[0]?.body ?? [];
  }

  path(): PathStep[] {
    const steps: PathStep[] = [];
    const start = this.#at;
    for (;;) {
      const next = this.#peek();
      if (next === '$') {
        this.#at++;
        steps.push({ type: 'root' });
      } else if (next === '@') {
        this.#at++;
      } else if (next === '[') {
        this.#at++;
        steps.push(this.#bracket());
      } else if (next === '.') {
        this.#at++;
        if (this.#peek() === '.') {
          this.#at++;
          steps.push({ type: 'descend' });
        }
        this.#dotted(steps);
      } else if (next === '*' && this.#at === start) {
        this.#at++;
        steps.push({ type: 'wildcard' });
      } else {
        if (this.#at === start)
          throw this.#error(`unexpected ${next === '' ? 'end' : `"${next}"`}; a path starts with "."`);
        return steps;
      }
    }
  }

  expectEnd(): void {
    this.#blanks();
    if (this.#at < this.#text.length) throw this.#error(`unexpected "${this.#peek()}"`);
  }

  /** What may follow a dot: a name, a star, or nothing (`{.}`, `.[0]`). */
  #dotted(steps: PathStep[]): void {
    if (this.#peek() === '*') {
      this.#at++;
      steps.push({ type: 'wildcard' });
      return;
    }
    let name = '';
    for (;;) {
      const next = this.#peek();
      if (next === '\\') {
        this.#at++;
        name += this.#peek();
      } else if (next === '' || /[\s.,[\]$@{}()=!<>]/.test(next)) break;
      else name += next;
      this.#at++;
    }
    if (name !== '') steps.push({ type: 'field', name });
  }

  /** After `[`: a filter, a star, or a union of names, positions and slices. */
  #bracket(): PathStep {
    this.#blanks();
    if (this.#peek() === '?') return this.#filter();
    const steps: PathStep[] = [];
    for (;;) {
      this.#blanks();
      steps.push(this.#member());
      this.#blanks();
      const next = this.#peek();
      this.#at++;
      if (next === ']') return steps.length === 1 ? (steps[0] ?? { type: 'wildcard' }) : { type: 'union', steps };
      if (next !== ',') throw this.#error('unterminated array: a "]" is missing', -1);
    }
  }

  #member(): PathStep {
    const next = this.#peek();
    if (next === '*') {
      this.#at++;
      return { type: 'wildcard' };
    }
    if (next === '"' || next === "'") return { type: 'field', name: this.#quoted() };
    const match = /^(-?\d+)?(?:(:)(-?\d+)?)?(?::(\d+)?)?/.exec(this.#text.slice(this.#at));
    const [all = '', from, colon, to, step] = match ?? [];
    if (all === '') throw this.#error(`"${next}" is no list position, name in quotes, "*" or filter`);
    this.#at += all.length;
    if (colon === undefined) return { type: 'index', index: Number(from) };
    if (step === '0') throw this.#error('the step of a slice must be above 0');
    return {
      type: 'slice',
      ...(from === undefined ? {} : { from: Number(from) }),
      ...(to === undefined ? {} : { to: Number(to) }),
      ...(step === undefined ? {} : { step: Number(step) }),
    };
  }

  #filter(): PathStep {
    if (!this.#text.startsWith('?(', this.#at)) throw this.#error('a filter is written [?(…)]');
    this.#at += 2;
    this.#blanks();
    const left = this.#operand();
    this.#blanks();
    const operator = /^(?:==|!=|<=|>=|<|>)/.exec(this.#text.slice(this.#at))?.[0];
    let right: Operand | undefined;
    if (operator !== undefined) {
      this.#at += operator.length;
      this.#blanks();
      right = this.#operand();
      this.#blanks();
    }
    if (!this.#text.startsWith(')]', this.#at))
      throw this.#error('unterminated filter: ")]" is missing, or the comparison is none of == != < <= > >=');
    this.#at += 2;
    return {
      type: 'filter',
      left,
      ...(operator === undefined ? {} : { operator: operator as Operator }),
      ...(right === undefined ? {} : { right }),
    };
  }

  #operand(): Operand {
    const next = this.#peek();
    if (next === '"' || next === "'") return { type: 'value', value: this.#quoted() };
    const literal = /^(?:true|false|-?\d+(?:\.\d+)?)/.exec(this.#text.slice(this.#at))?.[0];
    if (literal === undefined) return { type: 'path', path: this.path() };
    this.#at += literal.length;
    return { type: 'value', value: JSON.parse(literal) as boolean | number };
  }

  #quoted(): string {
    const quote = this.#peek();
    let text = '';
    for (this.#at++; this.#peek() !== quote; this.#at++) {
      if (this.#at >= this.#text.length) throw this.#error(`unterminated quoted text: a ${quote} is missing`);
      if (this.#peek() === '\\') {
        this.#at++;
        text += ESCAPES[this.#peek()] ?? this.#peek();
      } else text += this.#peek();
    }
    this.#at++;
    return text;
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at) || /[\w.]/.test(this.#text[this.#at + word.length] ?? '')) return false;
    this.#at += word.length;
    return true;
  }

  #blanks(): void {
    while (/\s/.test(this.#peek())) this.#at++;
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #error(message: string, offset = 0): JsonPathError {
    return new JsonPathError(`${message} (at character ${this.#at + offset + 1} of ${JSON.stringify(this.#text)})`);
  }
}
