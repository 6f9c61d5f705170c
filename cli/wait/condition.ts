import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { compilePath, valueText } from '../output/json-path.ts';
import { listAt, numberAt, textAt } from '../resources/fields.ts';

/** What `--for` waits for. Of a state of an object: whether that is it. */
export type WaitCondition =
  | { readonly type: 'delete' | 'create' }
  /** Throws a {@link CliError} when the state can never tell. */
  | { readonly type: 'state'; readonly isMet: (object: JsonObject) => boolean };

/** Reads `--for`. Throws a {@link CliError} for what is no condition. */
export function parseCondition(text: string): WaitCondition {
  const word = text.toLowerCase();
  if (word === 'delete' || word === 'create') return { type: word };
  const [, form, rest = ''] = /^(condition|jsonpath)=(.*)$/s.exec(text) ?? [];
  if (form === 'condition') return conditionOf(rest);
  if (form === 'jsonpath') return pathOf(rest);
  throw new CliError(`unrecognized condition: "${text}"`, {
    hint: "Wait for condition=NAME[=VALUE], jsonpath='{PATH}'[=VALUE], create or delete.",
  });
}

function conditionOf(text: string): WaitCondition {
  const equals = text.indexOf('=');
  const type = (equals === -1 ? text : text.slice(0, equals)).toLowerCase();
  const wanted = (equals === -1 ? 'true' : text.slice(equals + 1)).toLowerCase();
  if (type === '') throw new CliError('unrecognized condition: --for=condition= is to be followed by a name');
  return {
    type: 'state',
    isMet(object) {
      const condition = listAt(object, 'status', 'conditions').find(
        (one) => textAt(one, 'type').toLowerCase() === type,
      );
      if (condition === undefined) return false;
      // Told of an earlier state of the object, it says nothing of this one.
      const observed = numberAt(condition, 'observedGeneration') ?? numberAt(object, 'status', 'observedGeneration');
      const generation = numberAt(object, 'metadata', 'generation');
      if (observed !== undefined && generation !== undefined && observed < generation) return false;
      return textAt(condition, 'status').toLowerCase() === wanted;
    },
  };
}

function pathOf(text: string): WaitCondition {
  const { path, value } = splitPath(text);
  if (path === '') throw new CliError('jsonpath expression cannot be empty');
  if (value === '') {
    throw new CliError(
      "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
    );
  }
  const valuesOf = compilePath(path);
  return {
    type: 'state',
    isMet(object) {
      const [found, ...more] = valuesOf(object);
      if (found === undefined) return false;
      if (more.length > 0) throw new CliError('given jsonpath expression matches more than one value');
      if (value === undefined) return true;
      if (typeof found === 'object' && found !== null)
        throw new CliError('jsonpath leads to a nested object or list which is not supported');
      return valueText(found).trim() === value.trim();
    },
  };
}

/** Divides at the `=` that stands outside of the path: after its braces, or a single one where it has none. */
function splitPath(text: string): { readonly path: string; readonly value: string | undefined } {
  const closing = text.startsWith('{') ? text.lastIndexOf('}') : -1;
  const rest = text.slice(closing + 1);
  const at = /(?<![=!<>])=(?!=)/.exec(rest)?.index;
  if (at === undefined) return { path: text, value: undefined };
  return { path: text.slice(0, closing + 1 + at), value: rest.slice(at + 1).replace(/^(['"]+)(.*?)['"]*$/s, '$2') };
}
