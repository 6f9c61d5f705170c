import { describe, expect, it } from 'vitest';
import { messageSchema } from '../../proto/index.ts';
import { filledIn, toldDefaults } from './default-texts.ts';
import { allDefinitions } from './registry.ts';

const kinds = allDefinitions().map(
  (definition) => [`${definition.type.apiVersion} ${definition.type.kind}`, definition] as const,
);

function told(name: string): string | undefined {
  const dot = name.lastIndexOf('.');
  return messageSchema(name.slice(0, dot)).byName.get(name.slice(dot + 1))?.default;
}

/** The value, and not merely a part of a longer word or number. */
function mentions(text: string, value: string): boolean {
  const words = text.split(/[\s,;]+/);
  return text === value || text.startsWith(`${value} `) || words.includes(value) || text.includes(`${value},`);
}

describe('what defaulting fills in is what the schema says', () => {
  it.each(kinds)('%s', (_, definition) => {
    const wrong = [...filledIn(definition)].flatMap(([name, values]) => {
      const text = told(name);
      const missing = [...values].filter((value) => text === undefined || !mentions(text, value));
      const says = text === undefined ? 'its field option has no default' : `its default says ${JSON.stringify(text)}`;
      return missing.map((value) => `${name} is defaulted to ${value}, but in the .proto ${says}`);
    });
    expect(wrong).toEqual([]);
  });

  it('and nothing that no kind does', () => {
    const filled = new Set(kinds.flatMap(([, definition]) => [...filledIn(definition).keys()]));
    const promised = new Set(kinds.flatMap(([, definition]) => [...toldDefaults(definition).keys()]));
    expect([...promised].filter((name) => !filled.has(name))).toEqual([]);
  });

  it('and a wrong word would be noticed', () => {
    expect(mentions('10', '1')).toBe(false);
    expect(mentions('Always when the tag is latest, else IfNotPresent', 'IfNotPresent')).toBe(true);
    expect(mentions('[ReadWriteOnce]', '[ReadWriteOnce]')).toBe(true);
  });
});
