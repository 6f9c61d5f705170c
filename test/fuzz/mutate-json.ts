/** Mutations of manifests as trees: what people and programs get wrong, guided by what other manifests have in the same place. */
import type { Json, JsonObject } from '../../proto/index.ts';

/** Reproducible numbers in [0, 1). */
export type Random = () => number;

/** One of the items. Throws when there are none. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** Values seen anywhere in the corpus, by the name of the member they were seen under. */
export class ValuePool {
  readonly #byKey = new Map<string, Json[]>();
  readonly #keys: string[] = [];

  /** Takes note of everything in `json`. */
  learn(json: Json): void {
    if (Array.isArray(json)) for (const item of json) this.learn(item);
    else if (isObject(json)) {
      for (const [key, value] of Object.entries(json)) {
        const known = this.#byKey.get(key);
        if (known === undefined) {
          this.#byKey.set(key, [value]);
          this.#keys.push(key);
        } else if (known.length < 200) known.push(value);
        this.learn(value);
      }
    }
  }

  /** Some value for a member of that name: mostly one seen there, at times one seen elsewhere. */
  value(random: Random, key: string): Json {
    const known = this.#byKey.get(random() < 0.7 ? key : this.key(random));
    return known === undefined ? odd(random) : structuredClone(pick(random, known));
  }

  /** The name of some member. */
  key(random: Random): string {
    return pick(random, this.#keys);
  }
}

const ODD: readonly (() => Json)[] = [
  () => null,
  () => '',
  () => 0,
  () => -1,
  () => 1e308,
  () => 2 ** 53,
  () => -(2 ** 63),
  () => 0.1,
  () => true,
  () => [],
  () => ({}),
  () => [null],
  () => ({ '': null }),
  () => [[[]]],
  () => 'x'.repeat(300),
  () => 'ä̈\u202e\u0000💥',
  () => '../../etc/passwd',
  () => '$(VAR) {{ .Values.x }}',
  () => '1e400',
  () => '-0',
  () => '9999999999999999999999Ei',
  () => '0x1F',
  () => '2026-13-45T99:99:99Z',
  () => ({ __proto__: null, constructor: { prototype: 1 } }),
  () => JSON.parse('{"__proto__": {"polluted": true}}') as Json,
  () => nested(40),
  () => nested(120),
  () => Array.from({ length: 500 }, (_, i) => ({ name: `n${i}` })),
  () => Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, `${i}`])),
];

/** A value nobody expects. */
export function odd(random: Random): Json {
  return pick(random, ODD)();
}

function nested(depth: number): Json {
  let json: Json = 'deep';
  for (let i = 0; i < depth; i++) json = i % 2 === 0 ? { a: json } : [json];
  return json;
}

interface Place {
  readonly parent: JsonObject | Json[];
  readonly key: string | number;
}

function placesOf(json: Json, into: Place[] = []): Place[] {
  if (Array.isArray(json)) {
    json.forEach((item, key) => {
      into.push({ parent: json, key });
      placesOf(item, into);
    });
  } else if (isObject(json)) {
    for (const key of Object.keys(json)) {
      into.push({ parent: json, key });
      placesOf(json[key] ?? null, into);
    }
  }
  return into;
}

/** `json` with a few mutations; the argument stays as it is. */
export function mutateJson(random: Random, json: JsonObject, pool: ValuePool): JsonObject {
  const copy = structuredClone(json);
  const times = 1 + Math.floor(random() * 4);
  for (let i = 0; i < times; i++) {
    const places = placesOf(copy);
    if (places.length > 0) mutateAt(random, pick(random, places), places, pool);
  }
  return copy;
}

function mutateAt(random: Random, { parent, key }: Place, places: readonly Place[], pool: ValuePool): void {
  const put = (value: Json): void => {
    if (Array.isArray(parent)) parent[Number(key)] = value;
    else Object.defineProperty(parent, key, { value, configurable: true, enumerable: true, writable: true });
  };
  const current = (Array.isArray(parent) ? parent[Number(key)] : parent[key]) ?? null;
  const steps: readonly (() => void)[] = [
    () => (Array.isArray(parent) ? void parent.splice(Number(key), 1) : void delete parent[key]),
    () => put(odd(random)),
    () => put(pool.value(random, String(key))),
    () => put(changed(random, current)),
    () => {
      if (Array.isArray(parent)) parent.push(structuredClone(current));
      else parent[misspelt(random, String(key))] = structuredClone(current);
    },
    () => {
      if (isObject(current)) {
        const name = pool.key(random);
        current[name] = pool.value(random, name);
      } else put(pool.value(random, String(key)));
    },
    () => {
      const other = pick(random, places);
      put(
        structuredClone(
          (Array.isArray(other.parent) ? other.parent[Number(other.key)] : other.parent[other.key]) ?? null,
        ),
      );
    },
  ];
  pick(random, steps)();
}

/** A value near to the one there. */
function changed(random: Random, json: Json): Json {
  if (typeof json === 'number') return pick(random, [json + 1, -json, json * 1e6, json + 0.5, String(json)]);
  if (typeof json === 'boolean') return pick<Json>(random, [!json, String(json), json ? 1 : 0]);
  if (typeof json === 'string') {
    return pick<Json>(random, [
      `${json} `,
      json.toUpperCase(),
      misspelt(random, json),
      `${json}${json}`,
      [json],
      { a: json },
    ]);
  }
  if (Array.isArray(json)) return pick<Json>(random, [[...json].reverse(), [...json, ...json], json[0] ?? null]);
  if (isObject(json)) return pick<Json>(random, [[json], Object.keys(json), JSON.stringify(json).slice(0, 200)]);
  return odd(random);
}

function misspelt(random: Random, text: string): string {
  const at = Math.floor(random() * (text.length + 1));
  return pick(random, [
    text.slice(0, at) + text.slice(at + 1),
    `${text.slice(0, at)}x${text.slice(at)}`,
    text.slice(0, at) + text.slice(at).split('').reverse().join(''),
    text.toLowerCase(),
  ]);
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
