import type { apiv1 } from '../../proto/api.ts';
import { CliError } from '../errors/cli-error.ts';
import { formatExplanation } from '../output/explanation.ts';
import { addConnectionOptions, type ConnectionOptions, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ExplainOptions extends ConnectionOptions {
  readonly recursive?: boolean;
  readonly unsupported?: boolean;
  readonly apiVersion?: string;
  readonly output?: string;
}

/** `skiff explain` */
export const explain: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[path]', 'a kind, or a field of it, such as deploy.spec.strategy')
      .option('--recursive', 'all fields below, without their descriptions')
      .option('--api-version <version>', 'the version of the kind, such as autoscaling/v1')
      .option('--unsupported', 'only what is stored but has no effect yet; without a path, of every kind')
      .option('-o, --output <format>', 'plaintext')
      .action((path: string | undefined, options: ExplainOptions) => {
        const unsupportedOnly = options.unsupported === true;
        if (path === undefined && !unsupportedOnly) {
          throw new CliError('name a kind, or a field of one, such as deployment.spec.replicas', {
            hint: "Run 'skiff api-resources' for the kinds there are, 'skiff explain --unsupported' for what has no effect.",
          });
        }
        if (options.output !== undefined && options.output !== 'plaintext')
          throw new CliError(`--output must be plaintext, not "${options.output}"`);
        return withSession(terminal, options, async ({ api }) => {
          const recursive = options.recursive === true || unsupportedOnly;
          const request: apiv1.ExplainRequest = { path, recursive, unsupportedOnly, apiVersion: options.apiVersion };
          const reply = await api.explain(request);
          if (unsupportedOnly) {
            const { formatUnsupported } = await import('../output/unsupported.ts');
            terminal.stdout.write(formatUnsupported(reply));
            return;
          }
          const columns = terminal.stdout.isTerminal ? Math.min(terminal.stdout.columns(), 120) : 80;
          terminal.stdout.write(formatExplanation(reply, { recursive, columns }));
        });
      });
    addExamples(command, [
      ['A kind and a field', 'skiff explain pod\n  skiff explain deployment.spec.strategy.rollingUpdate'],
      ['All fields of a kind, as a tree', 'skiff explain deployment --recursive'],
      ['An older version of a kind', 'skiff explain hpa --api-version=autoscaling/v1'],
      [
        'What Skiff does not act on: at all, and of one kind',
        'skiff explain --unsupported\n  skiff explain pod --unsupported',
      ],
    ]);
  },
};
