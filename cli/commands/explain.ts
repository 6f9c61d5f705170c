import type { apiv1 } from '../../proto/api.ts';
import { formatExplanation } from '../output/explanation.ts';
import { addConnectionOptions, type ConnectionOptions, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ExplainOptions extends ConnectionOptions {
  readonly recursive?: boolean;
  readonly unsupported?: boolean;
}

/** `skiff explain` */
export const explain: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('<path>', 'a kind, or a field of it, such as deploy.spec.strategy')
      .option('--recursive', 'all fields below, without their descriptions')
      .option('--unsupported', 'only fields that are stored but have no effect yet')
      .action((path: string, options: ExplainOptions) =>
        withSession(terminal, options, async ({ api }) => {
          const unsupportedOnly = options.unsupported === true;
          const recursive = options.recursive === true || unsupportedOnly;
          const request: apiv1.ExplainRequest = { path, recursive, unsupportedOnly };
          const reply = await api.explain(request);
          const columns = terminal.stdout.isTerminal ? Math.min(terminal.stdout.columns(), 120) : 80;
          terminal.stdout.write(formatExplanation(reply, { recursive, columns }));
        }),
      );
    addExamples(command, [
      ['A kind and a field', 'skiff explain pod\n  skiff explain deployment.spec.strategy.rollingUpdate'],
      ['What a kind has that Skiff does not act on', 'skiff explain pod --unsupported'],
    ]);
  },
};
