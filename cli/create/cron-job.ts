import { CliError } from '../errors/cli-error.ts';
import type { Generator } from './generator.ts';
import { jobSpec } from './job.ts';

interface CronJobOptions {
  readonly image: string;
  readonly schedule: string;
  readonly restart: string;
}

/** `create cronjob` */
export const cronJob: Generator<CronJobOptions> = {
  path: ['cronjob'],
  aliases: ['cj'],
  summary: 'Create a CronJob that runs an image by a schedule',
  namespaced: true,
  takesCommand: true,
  examples: [['Every five minutes', 'skiff create cronjob tick --image=busybox --schedule="*/5 * * * *" -- date']],
  declare(command) {
    command
      .requiredOption('--image <image>', 'the image to run')
      .requiredOption('--schedule <schedule>', 'when: minute, hour, day of the month, month, day of the week')
      .option('--restart <policy>', 'OnFailure or Never', 'OnFailure');
  },
  build({ name, command, options }) {
    const { image, schedule, restart } = options;
    if (restart !== 'OnFailure' && restart !== 'Never')
      throw new CliError(`invalid --restart "${restart}": the pods of a job restart OnFailure or Never`);
    return {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name },
      spec: {
        jobTemplate: { metadata: { name }, spec: jobSpec({ name, image, command, restartPolicy: restart }) },
        schedule,
      },
      status: {},
    };
  },
};
