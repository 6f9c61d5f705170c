import { canonicalQuantity } from '../../lib/quantity.ts';
import { CliError } from '../errors/cli-error.ts';
import type { Generator } from './generator.ts';

interface QuotaOptions {
  readonly hard?: string;
  readonly scopes?: string;
}

/** `create quota` */
export const quota: Generator<QuotaOptions> = {
  path: ['quota'],
  aliases: ['resourcequota'],
  summary: 'Create a ResourceQuota of a namespace',
  namespaced: true,
  examples: [
    ['Of processors and pods', 'skiff create quota team --hard=cpu=4,memory=8Gi,pods=20'],
    ['Of pods without requests', 'skiff create quota best-effort --hard=pods=10 --scopes=BestEffort'],
  ],
  declare(command) {
    command
      .option('--hard <resource=quantity,…>', 'what may be used at most')
      .option('--scopes <scope,…>', 'only of what all these scopes match');
  },
  build({ name, options }) {
    const hard = hardOf(options.hard ?? '');
    const scopes = scopesOf(options.scopes ?? '');
    return {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name },
      spec: {
        ...(Object.keys(hard).length === 0 ? {} : { hard }),
        ...(scopes.length === 0 ? {} : { scopes }),
      },
      status: {},
    };
  },
};

function hardOf(text: string): Record<string, string> {
  if (text === '') return {};
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const [resource = '', amount = '', ...more] = pair.split('=');
      if (resource === '' || amount === '' || more.length > 0)
        throw new CliError(`invalid --hard: argument syntax ${pair}, expected <resource>=<value>`);
      const canonical = canonicalQuantity(amount);
      if (canonical === undefined)
        throw new CliError(`invalid --hard: ${resource} is to be a quantity such as 500m, 10 or 2Gi, not "${amount}"`);
      return [resource, canonical] as const;
    }),
  );
}

function scopesOf(text: string): readonly string[] {
  const scopes = text === '' ? [] : text.split(',');
  if (scopes.includes('')) throw new CliError('invalid resource quota scope ""');
  return scopes;
}
