import type { JsonObject, JsonValue } from '../manifest/json-value.ts';
import { ageOf } from '../output/human-duration.ts';
import { listAt, mapAt, numberAt, textAt, valueAt } from '../resources/fields.ts';
import {
  conditionLines,
  controllerOf,
  type DescribeInput,
  eventLines,
  identityFields,
  nameFields,
  pairs,
  timeAndAge,
} from './common.ts';
import { block, type Field, field, formatDescription, present } from './description.ts';
import { waitingFor } from './fencing.ts';
import { ownershipLines } from './ownership.ts';
import { whyNotReady } from './why-not-ready.ts';

/** Everything about a pod. */
export function describePod(input: DescribeInput): string {
  const { object: pod, events, relatives, nowMs } = input;
  const waits = waitingFor(input);
  const why = whyNotReady(pod, events);
  const node = textAt(pod, 'spec', 'nodeName');
  const hostIp = textAt(pod, 'status', 'hostIP');
  const isGoing = textAt(pod, 'metadata', 'deletionTimestamp') !== '';
  const head = present([
    ...nameFields(pod),
    field('Priority', textAt(pod, 'spec', 'priority') || '0'),
    field('Service Account', textAt(pod, 'spec', 'serviceAccountName')),
    field('Node', node === '' ? '<none>' : hostIp === '' ? node : `${node}/${hostIp}`),
    field('Start Time', timeAndAge(textAt(pod, 'status', 'startTime'), nowMs)),
    ...identityFields(pod),
    field(
      'Status',
      isGoing
        ? `Terminating (since ${ageOf(textAt(pod, 'metadata', 'deletionTimestamp'), nowMs)})`
        : textAt(pod, 'status', 'phase'),
    ),
    field('Reason', textAt(pod, 'status', 'reason')),
    field('Message', textAt(pod, 'status', 'message')),
    why.length === 0 ? undefined : field('Why Not Ready', why),
    waits.length === 0 ? undefined : field('Waiting For', waits),
    field('IP', textAt(pod, 'status', 'podIP')),
    field('Controlled By', controllerOf(pod)),
  ]);
  const parts = [formatDescription(head)];
  for (const [title, spec, status] of SECTIONS) {
    const containers = listAt(pod, 'spec', spec);
    if (containers.length > 0) {
      const statuses = listAt(pod, 'status', status);
      parts.push(
        formatDescription([
          field(
            title,
            containers.map((one) => container(one, statuses, nowMs)),
          ),
        ]),
      );
    }
  }
  parts.push(block('Conditions', conditionLines(pod)));
  const volumes = listAt(pod, 'spec', 'volumes');
  parts.push(
    volumes.length === 0
      ? block('Volumes', [])
      : formatDescription([
          field(
            'Volumes',
            volumes.map((one) => volume(one)),
          ),
        ]),
  );
  parts.push(
    formatDescription([
      field('QoS Class', textAt(pod, 'status', 'qosClass') || '<none>'),
      field('Node-Selectors', pairs(pod, 'spec', 'nodeSelector')),
      field(
        'Tolerations',
        listAt(pod, 'spec', 'tolerations').map((one) => toleration(one)),
      ),
    ]),
  );
  const tree = ownershipLines(pod, relatives);
  if (tree.length > 0) parts.push(block('Ownership', tree));
  parts.push(block('Events', eventLines(events, nowMs)));
  return parts.join('');
}

const SECTIONS = [
  ['Init Containers', 'initContainers', 'initContainerStatuses'],
  ['Containers', 'containers', 'containerStatuses'],
  ['Ephemeral Containers', 'ephemeralContainers', 'ephemeralContainerStatuses'],
] as const;

function container(spec: JsonObject, statuses: readonly JsonObject[], nowMs: number): Field {
  const name = textAt(spec, 'name');
  const status = statuses.find((one) => textAt(one, 'name') === name);
  const ports = listAt(spec, 'ports').map(
    (port) => `${textAt(port, 'containerPort')}/${textAt(port, 'protocol') || 'TCP'}`,
  );
  const hostPorts = listAt(spec, 'ports')
    .filter((port) => textAt(port, 'hostPort') !== '')
    .map((port) => `${textAt(port, 'hostPort')}/${textAt(port, 'protocol') || 'TCP'}`);
  const last = stateFields(valueAt(status, 'lastState'), nowMs);
  return field(
    name,
    present([
      field('Container ID', textAt(status, 'containerID')),
      field('Image', textAt(spec, 'image')),
      field('Image ID', textAt(status, 'imageID')),
      ports.length === 0 ? undefined : field('Ports', ports.join(', ')),
      hostPorts.length === 0 ? undefined : field('Host Ports', hostPorts.join(', ')),
      words('Command', valueAt(spec, 'command')),
      words('Args', valueAt(spec, 'args')),
      ...stateFields(valueAt(status, 'state'), nowMs),
      ...(last.length === 0 ? [] : [field('Last State', last)]),
      status === undefined ? undefined : field('Ready', textAt(status, 'ready') === 'true' ? 'True' : 'False'),
      status === undefined ? undefined : field('Restart Count', textAt(status, 'restartCount') || '0'),
      map('Limits', valueAt(spec, 'resources', 'limits')),
      map('Requests', valueAt(spec, 'resources', 'requests')),
      probe('Liveness', valueAt(spec, 'livenessProbe')),
      probe('Readiness', valueAt(spec, 'readinessProbe')),
      probe('Startup', valueAt(spec, 'startupProbe')),
      field('Environment', environment(spec)),
      field(
        'Mounts',
        listAt(spec, 'volumeMounts').map((one) => mount(one)),
      ),
    ]),
  );
}

function stateFields(state: JsonValue | undefined, nowMs: number): Field[] {
  const [name] = mapAt(state).map(([key]) => key);
  if (name === undefined) return [];
  const detail = valueAt(state, name);
  const code = numberAt(detail, 'exitCode');
  return present([
    field('State', name.charAt(0).toUpperCase() + name.slice(1)),
    field('Reason', textAt(detail, 'reason')),
    field('Message', textAt(detail, 'message')),
    code === undefined && name !== 'terminated' ? undefined : field('Exit Code', String(code ?? 0)),
    field('Started', timeAndAge(textAt(detail, 'startedAt'), nowMs)),
    field('Finished', timeAndAge(textAt(detail, 'finishedAt'), nowMs)),
  ]);
}

function words(label: string, value: JsonValue | undefined): Field | undefined {
  if (!Array.isArray(value)) return undefined;
  return field(
    label,
    value.map((word) => String(word)),
  );
}

function map(label: string, value: JsonValue | undefined): Field | undefined {
  const entries = mapAt(value);
  return entries.length === 0
    ? undefined
    : field(
        label,
        entries.map(([key, text]) => `${key}: ${text}`),
      );
}

function environment(spec: JsonObject): string[] {
  const from = listAt(spec, 'envFrom').map((source) => {
    const isMap = valueAt(source, 'configMapRef') !== undefined;
    const name = textAt(source, isMap ? 'configMapRef' : 'secretRef', 'name');
    return `<all of ${isMap ? 'config map' : 'secret'} ${name}>`;
  });
  const own = listAt(spec, 'env').map((one) => `${textAt(one, 'name')}: ${environmentValue(one)}`);
  return [...from, ...own];
}

function environmentValue(one: JsonObject): string {
  const sources: readonly (readonly [string, string, string])[] = [
    ['configMapKeyRef', 'config map', 'key'],
    ['secretKeyRef', 'secret', 'key'],
  ];
  for (const [source, what, key] of sources) {
    const name = textAt(one, 'valueFrom', source, 'name');
    if (name !== '') return `<key ${textAt(one, 'valueFrom', source, key)} of ${what} ${name}>`;
  }
  const path =
    textAt(one, 'valueFrom', 'fieldRef', 'fieldPath') || textAt(one, 'valueFrom', 'resourceFieldRef', 'resource');
  return path === '' ? textAt(one, 'value') : `<${path}>`;
}

function mount(one: JsonObject): string {
  const isReadOnly = textAt(one, 'readOnly') === 'true';
  const path = textAt(one, 'subPath');
  const sub = path === '' ? '' : `,path="${path}"`;
  return `${textAt(one, 'mountPath')} from ${textAt(one, 'name')} (${isReadOnly ? 'ro' : 'rw'}${sub})`;
}

function probe(label: string, value: JsonValue | undefined): Field | undefined {
  if (value === undefined) return undefined;
  const http = valueAt(value, 'httpGet');
  const tcp = valueAt(value, 'tcpSocket');
  const command = valueAt(value, 'exec', 'command');
  const what =
    http !== undefined
      ? `http-get ${(textAt(http, 'scheme') || 'HTTP').toLowerCase()}://${textAt(http, 'host')}:${textAt(http, 'port')}${textAt(http, 'path')}`
      : tcp !== undefined
        ? `tcp-socket ${textAt(tcp, 'host')}:${textAt(tcp, 'port')}`
        : Array.isArray(command)
          ? `exec [${command.join(' ')}]`
          : 'grpc';
  const seconds = (name: string, otherwise: number): string => `${numberAt(value, name) ?? otherwise}s`;
  const times = `delay=${seconds('initialDelaySeconds', 0)} timeout=${seconds('timeoutSeconds', 1)} period=${seconds('periodSeconds', 10)}`;
  const counts = `#success=${numberAt(value, 'successThreshold') ?? 1} #failure=${numberAt(value, 'failureThreshold') ?? 3}`;
  return field(label, `${what} ${times} ${counts}`);
}

function volume(one: JsonObject): Field {
  const type = Object.keys(one).find((key) => key !== 'name') ?? 'emptyDir';
  const details = mapAt(one, type)
    .filter(([, text]) => text !== '')
    .map(([key, text]) => `${key}: ${text}`);
  return field(textAt(one, 'name'), [
    field('Type', type),
    ...(details.length === 0 ? [] : [field('Details', details)]),
  ]);
}

function toleration(one: JsonObject): string {
  const key = textAt(one, 'key');
  const value = textAt(one, 'value');
  const effect = textAt(one, 'effect');
  const seconds = textAt(one, 'tolerationSeconds');
  const head = `${key}${value === '' ? '' : `=${value}`}${effect === '' ? '' : `:${effect}`}`;
  const exists = textAt(one, 'operator') === 'Exists' ? ' op=Exists' : '';
  return `${head}${exists}${seconds === '' ? '' : ` for ${seconds}s`}`.trim();
}
