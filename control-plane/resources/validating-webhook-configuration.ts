/** ValidatingWebhookConfiguration: programs that are asked whether writes may happen. */
import { type admissionregistrationv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { defaultWebhooks, validateWebhooks } from './webhook-rules.ts';

/** The definition of ValidatingWebhookConfiguration. */
export const validatingWebhookConfiguration: ResourceDefinition<admissionregistrationv1.ValidatingWebhookConfiguration> =
  {
    type: KINDS.ValidatingWebhookConfiguration,
    setDefaults: (object) => defaultWebhooks(object.webhooks),
    countsGenerations: true,
    validate: (object) => validateWebhooks(object.webhooks),
    columns: [nameColumn, { name: 'WEBHOOKS', cell: (o) => String(o.webhooks?.length ?? 0) }, ageColumn],
  };
