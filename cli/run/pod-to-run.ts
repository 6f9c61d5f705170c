import { container } from '../create/container.ts';
import { keyValue, PORTS, wholeNumber } from '../create/options.ts';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';

/** Options of `run` that make the pod. */
export interface RunOptions {
  readonly image?: string;
  readonly imagePullPolicy?: string;
  readonly restart: string;
  readonly env?: string[];
  readonly port?: string;
  readonly labels?: string[];
  readonly annotations?: string[];
  readonly command?: boolean;
  readonly privileged?: boolean;
}

const POLICIES: readonly string[] = ['Always', 'OnFailure', 'Never'];
const PULL_POLICIES: readonly string[] = ['Always', 'IfNotPresent', 'Never'];

/** The pod that `run` creates: one container named as it is. Throws a {@link CliError} for options that make none. */
export function podToRun(name: string, words: readonly string[], options: RunOptions): JsonObject {
  const { image = '', imagePullPolicy, restart, port } = options;
  if (image.trim() === '') throw new CliError('--image is required');
  if (/\s/.test(image)) throw new CliError(`Invalid image name "${image}": it has blanks in it`);
  if (!POLICIES.includes(restart))
    throw new CliError(`invalid restart policy: ${restart} (it is ${POLICIES.join(', ')})`);
  if (imagePullPolicy !== undefined && !PULL_POLICIES.includes(imagePullPolicy))
    throw new CliError(`invalid image pull policy: ${imagePullPolicy} (it is ${PULL_POLICIES.join(', ')})`);
  const annotations = pairs(options.annotations, '--annotations');
  const labels = options.labels === undefined ? { run: name } : pairs(options.labels, '--labels');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...(Object.keys(annotations).length === 0 ? {} : { annotations }), labels },
    spec: {
      containers: [
        container({
          name,
          image,
          port: port === undefined ? undefined : wholeNumber(port, '--port', PORTS),
          env: (options.env ?? []).map((pair) => variable(pair)),
          ...(options.command === true ? { command: words } : { args: words }),
          more: {
            ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
            ...(options.privileged === true ? { securityContext: { privileged: true } } : {}),
          },
        }),
      ],
      dnsPolicy: 'ClusterFirst',
      restartPolicy: restart,
    },
    status: {},
  };
}

/** What `--expose` creates beside the pod. */
export function serviceOf(pod: JsonObject, name: string, port: string | undefined): JsonObject {
  if (port === undefined) throw new CliError('--port must be set when exposing a service');
  const number = wholeNumber(port, '--port', PORTS);
  const labels = (pod.metadata as JsonObject).labels as JsonObject;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ port: number, protocol: 'TCP', targetPort: number }], selector: labels },
    status: { loadBalancer: {} },
  };
}

function pairs(given: readonly string[] | undefined, flag: string): Record<string, string> {
  return Object.fromEntries((given ?? []).map((pair) => keyValue(pair, flag)));
}

function variable(text: string): JsonObject {
  const [name, value] = keyValue(text, '--env');
  if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name))
    throw new CliError(`invalid --env "${text}": "${name}" is not the name of an environment variable`);
  return { name, value };
}
