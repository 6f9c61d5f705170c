import { CliError } from '../errors/cli-error.ts';
import { isJsonObject, type JsonObject } from '../manifest/json-value.ts';
import { mapAt, textAt, valueAt } from '../resources/fields.ts';
import { container } from './container.ts';
import type { Generator } from './generator.ts';

interface JobOptions {
  readonly image?: string;
  readonly from?: string;
}

/** `create job` */
export const job: Generator<JobOptions> = {
  path: ['job'],
  summary: 'Create a Job from an image or as a CronJob would',
  namespaced: true,
  takesCommand: true,
  examples: [
    ['That runs a command', 'skiff create job once --image=busybox -- date'],
    ['As a CronJob would make it, now', 'skiff create job backup-now --from=cronjob/backup'],
  ],
  declare(command) {
    command
      .option('--image <image>', 'the image to run')
      .option('--from <cronjob/name>', 'the CronJob whose template is used');
  },
  async build({ name, command, options, ask }) {
    const { image, from } = options;
    if (image !== undefined && from === undefined) {
      return {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name },
        spec: jobSpec({ name, image, command, restartPolicy: 'Never' }),
        status: {},
      };
    }
    if (from === undefined || image !== undefined) throw new CliError('either --image or --from must be specified');
    if (command.length > 0) throw new CliError('cannot specify --from and command');
    const [resource = '', cronJob = '', ...more] = from.split('/');
    if (resource === '' || cronJob === '' || more.length > 0)
      throw new CliError(`invalid --from "${from}": write it as cronjob/name`);
    const found = await ask(({ api, namespace }) => api.get({ resource, namespace, name: cronJob }));
    if (found.identity.kind !== 'CronJob')
      throw new CliError(
        `invalid --from "${from}": a Job can be made from a CronJob only, not from a ${found.identity.kind ?? resource}`,
      );
    return jobOf(name, found.object);
  },
};

/** The spec of a Job with one container named as the Job is. */
export function jobSpec(parts: {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly restartPolicy: string;
}): JsonObject {
  const { restartPolicy, ...given } = parts;
  return { template: { metadata: {}, spec: { containers: [container(given)], restartPolicy } } };
}

/** What a CronJob would create at its time. */
function jobOf(name: string, cronJob: JsonObject): JsonObject {
  const template = valueAt(cronJob, 'spec', 'jobTemplate');
  const labels = Object.fromEntries(mapAt(template, 'metadata', 'labels'));
  const annotations = Object.fromEntries(mapAt(template, 'metadata', 'annotations'));
  const owner = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    name: textAt(cronJob, 'metadata', 'name'),
    uid: textAt(cronJob, 'metadata', 'uid'),
    controller: true,
  };
  const spec = valueAt(template, 'spec');
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      annotations: { 'cronjob.kubernetes.io/instantiate': 'manual', ...annotations },
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ownerReferences: [owner],
    },
    spec: isJsonObject(spec) ? spec : {},
    status: {},
  };
}
