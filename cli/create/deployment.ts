import { CliError } from '../errors/cli-error.ts';
import { collect } from '../resources/collect.ts';
import { container, containerName } from './container.ts';
import type { Generator } from './generator.ts';
import { COUNTS, PORTS, wholeNumber } from './options.ts';

interface DeploymentOptions {
  readonly image: string[];
  readonly replicas: string;
  readonly port?: string;
}

/** `create deployment` */
export const deployment: Generator<DeploymentOptions> = {
  path: ['deployment'],
  aliases: ['deploy'],
  summary: 'Create a Deployment that runs images',
  namespaced: true,
  takesCommand: true,
  examples: [
    ['Three replicas of an image', 'skiff create deployment web --image=nginx:1.27 --replicas=3 --port=80'],
    [
      'With a command of its own',
      'skiff create deployment date --image=busybox -- sh -c "while date; do sleep 5; done"',
    ],
    ['As a manifest to keep', 'skiff create deployment web --image=nginx:1.27 --dry-run=client -o yaml > web.yaml'],
  ],
  declare(command) {
    command
      .requiredOption('--image <image>', 'the image; repeatable, for a container each', collect)
      .option('-r, --replicas <count>', 'how many replicas', '1')
      .option('--port <port>', 'the port the first container listens on');
  },
  build({ name, command, options }) {
    if (options.image.length > 1 && command.length > 0)
      throw new CliError('cannot specify multiple --image options and command');
    const port = options.port === undefined ? undefined : wholeNumber(options.port, '--port', PORTS);
    const labels = { app: name };
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, labels },
      spec: {
        replicas: wholeNumber(options.replicas, '--replicas', COUNTS),
        selector: { matchLabels: labels },
        strategy: {},
        template: {
          metadata: { labels },
          spec: {
            containers: options.image.map((image, index) =>
              container({ name: containerName(image), image, command, port: index === 0 ? port : undefined }),
            ),
          },
        },
      },
      status: {},
    };
  },
};
