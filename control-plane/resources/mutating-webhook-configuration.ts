/** MutatingWebhookConfiguration: programs that may change objects before they are stored. */
import { type admissionregistrationv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { defaultWebhooks, validateWebhooks } from './webhook-rules.ts';

/** The definition of MutatingWebhookConfiguration. */
export const mutatingWebhookConfiguration: ResourceDefinition<admissionregistrationv1.MutatingWebhookConfiguration> = {
  type: KINDS.MutatingWebhookConfiguration,
  setDefaults: ({ webhooks }) => {
    defaultWebhooks(webhooks);
    for (const webhook of webhooks ?? []) webhook.reinvocationPolicy ??= 'Never';
  },
  countsGenerations: true,
  validate: (object) => validateWebhooks(object.webhooks),
  columns: [nameColumn, { name: 'WEBHOOKS', cell: (o) => String(o.webhooks?.length ?? 0) }, ageColumn],
};
