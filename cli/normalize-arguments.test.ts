import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { normalizeArguments, splitVerb } from './normalize-arguments.ts';

describe('words as people type them', () => {
  const verb = new Command('get').option('-o, --output <format>').option('-w, --watch').option('--no-wait');
  const dry = new Command('create').option('--dry-run [strategy]').option('--cascade [policy]').option('-f <file>');
  const family = new Command('rollout');
  family.command('status').option('-n, --namespace <name>').option('--no-watch');
  const rows: readonly [string, Command, readonly string[], readonly string[]][] = [
    ['a short option with =', verb, ['-o=json'], ['-ojson']],
    ['a switch with a value', verb, ['--watch=true', '--wait=false'], ['--watch', '--no-wait']],
    ['a value that is no switch', verb, ['--output=true'], ['--output=true']],
    ['what follows -- is left alone', verb, ['a', '--', '-o=json'], ['a', '--', '-o=json']],
    [
      'an option that takes no word by mistake',
      dry,
      ['ns', '--dry-run', 'x', '-f', 'y'],
      ['ns', 'x', '-f', 'y', '--dry-run'],
    ],
    ['but its value', dry, ['ns', '--dry-run', 'client', 'x'], ['ns', '--dry-run', 'client', 'x']],
    ['as the last word', dry, ['ns', 'x', '--cascade'], ['ns', 'x', '--cascade']],
    [
      'options before the verb belong to its subcommand',
      family,
      ['-n', 'web', 'status', 'x'],
      ['status', 'x', '-n', 'web'],
    ],
    [
      'and so does what belongs to options of a subcommand',
      family,
      ['status', '--watch=false'],
      ['status', '--no-watch'],
    ],
  ];
  test.each(rows)('%s', (_, command, words, expected) => {
    expect(normalizeArguments(words, command)).toEqual(expected);
  });

  test('the verb is the first word that is no option and no value of one', () => {
    expect(splitVerb(['-n', 'web', 'get', 'pods'])).toEqual({ verb: 'get', args: ['-n', 'web', 'pods'] });
  });
});
