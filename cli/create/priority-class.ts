import { CliError } from '../errors/cli-error.ts';
import type { Generator } from './generator.ts';
import { wholeNumber } from './options.ts';

interface PriorityClassOptions {
  readonly value: string;
  readonly globalDefault?: boolean;
  readonly description: string;
  readonly preemptionPolicy: string;
}

const NUMBERS = { min: -2_147_483_648, max: 2_147_483_647 } as const;
const POLICIES: readonly string[] = ['PreemptLowerPriority', 'Never'];

/** `create priorityclass` */
export const priorityClass: Generator<PriorityClassOptions> = {
  path: ['priorityclass'],
  aliases: ['pc'],
  summary: 'Create a PriorityClass',
  namespaced: false,
  examples: [
    ['For what matters', 'skiff create priorityclass important --value=1000 --description="comes first"'],
    ['For all others', 'skiff create priorityclass ordinary --value=100 --global-default'],
  ],
  declare(command) {
    command
      .option('--value <number>', 'the priority; higher comes first', '0')
      .option('--global-default', 'for pods that name no class')
      .option('--no-global-default', 'only for pods that name it (the default)')
      .option('--description <text>', 'when it is to be used', '')
      .option('--preemption-policy <policy>', 'PreemptLowerPriority or Never', 'PreemptLowerPriority');
  },
  build({ name, options }) {
    const { description, preemptionPolicy } = options;
    if (!POLICIES.includes(preemptionPolicy))
      throw new CliError(`invalid --preemption-policy "${preemptionPolicy}": it is ${POLICIES.join(' or ')}`);
    return {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      ...(description === '' ? {} : { description }),
      ...(options.globalDefault === true ? { globalDefault: true } : {}),
      preemptionPolicy,
      value: wholeNumber(options.value, '--value', NUMBERS),
    };
  },
};
