import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import type { Generator } from './generator.ts';

interface BudgetOptions {
  readonly selector?: string;
  readonly minAvailable?: string;
  readonly maxUnavailable?: string;
}

/** `create poddisruptionbudget` */
export const podDisruptionBudget: Generator<BudgetOptions> = {
  path: ['poddisruptionbudget'],
  aliases: ['pdb'],
  summary: 'Create a PodDisruptionBudget: how many pods must stay',
  namespaced: true,
  examples: [
    ['At least one', 'skiff create poddisruptionbudget web --selector=app=web --min-available=1'],
    ['At least half', 'skiff create pdb web --selector=app=web --min-available=50%'],
  ],
  declare(command) {
    command
      .option('--selector <labels>', 'the pods, such as app=web,tier=front')
      .option('--min-available <count>', 'how many must stay, as a number or percentage')
      .option('--max-unavailable <count>', 'how many may go, as a number or percentage');
  },
  build({ name, options }) {
    const { selector = '', minAvailable = '', maxUnavailable = '' } = options;
    if (selector === '') throw new CliError('a selector must be specified: give --selector');
    if (minAvailable === '' && maxUnavailable === '')
      throw new CliError('one of min-available or max-unavailable must be specified');
    if (minAvailable !== '' && maxUnavailable !== '')
      throw new CliError('min-available and max-unavailable cannot be both specified');
    return {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name },
      spec: {
        ...(minAvailable === '' ? {} : { minAvailable: countOf(minAvailable, 'min-available') }),
        ...(maxUnavailable === '' ? {} : { maxUnavailable: countOf(maxUnavailable, 'max-unavailable') }),
        selector: { matchLabels: labelsOf(selector) },
      },
      status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
    };
  },
};

function countOf(text: string, flag: string): number | string {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  if (/^\d{1,9}%$/.test(text)) return text;
  throw new CliError(`invalid format specified for ${flag}: write a number or a percentage, not "${text}"`);
}

function labelsOf(selector: string): JsonObject {
  return Object.fromEntries(
    selector.split(',').map((part) => {
      const [, key, value] = /^\s*([^!=\s]+)\s*==?\s*([^!=\s]*)\s*$/.exec(part) ?? [];
      if (key === undefined || value === undefined)
        throw new CliError(`invalid --selector "${part}": only key=value is supported here`);
      return [key, value] as const;
    }),
  );
}
