/** What is wrong with probes and lifecycle hooks. */
import type { ErrorCause } from '../../../lib/errors.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, forbidden, invalid, notNegative, required } from '../validation/field-errors.ts';
import { httpHeaderName, validatePortNumber, validatePortReference } from '../validation/texts.ts';

const DEFAULT_GRACE_SECONDS = 30;

/** Everything wrong with a probe. */
export function validateProbe(
  use: 'liveness' | 'readiness' | 'startup',
  probe: corev1.Probe | undefined,
  path: string,
): ErrorCause[] {
  if (probe === undefined) return [];
  const counts = [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const;
  const causes = [
    ...validateActions(
      { exec: probe.exec, httpGet: probe.httpGet, tcpSocket: probe.tcpSocket, grpc: probe.grpc },
      path,
    ),
    ...counts.flatMap((name) => notNegative(`${path}.${name}`, probe[name])),
  ];
  if (use !== 'readiness' && (probe.successThreshold ?? 1) > 1) {
    causes.push(invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'));
  }
  const graceSeconds = probe.terminationGracePeriodSeconds;
  if (graceSeconds !== undefined) {
    const at = `${path}.terminationGracePeriodSeconds`;
    if (use === 'readiness') causes.push(invalid(at, graceSeconds, 'must not be set for readinessProbes'));
    else if (graceSeconds <= 0) causes.push(invalid(at, graceSeconds, 'must be greater than 0'));
  }
  return causes;
}

/** Everything wrong with a lifecycle hook; `graceSeconds` is what its pod has to end. */
export function validateHandler(
  handler: corev1.LifecycleHandler | undefined,
  path: string,
  graceSeconds = DEFAULT_GRACE_SECONDS,
): ErrorCause[] {
  if (handler === undefined) return [];
  const { exec, httpGet, tcpSocket, sleep } = handler;
  const causes = validateActions({ exec, httpGet, tcpSocket, sleep }, path);
  const seconds = sleep?.seconds ?? 0;
  if (sleep !== undefined && (seconds < 0 || seconds > graceSeconds)) {
    const why = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
    causes.push(invalid(`${path}.sleep`, seconds, why));
  }
  return causes;
}

interface Actions {
  readonly exec: corev1.ExecAction | undefined;
  readonly httpGet: corev1.HTTPGetAction | undefined;
  readonly tcpSocket: corev1.TCPSocketAction | undefined;
  readonly grpc?: corev1.GRPCAction | undefined;
  readonly sleep?: corev1.SleepAction | undefined;
}

/** Exactly one action, and that one right. */
function validateActions(actions: Actions, path: string): ErrorCause[] {
  const given = Object.entries(actions).filter(([, action]) => action !== undefined);
  if (given.length === 0) return [required(path, 'must specify a handler type')];
  const causes = given
    .slice(1)
    .map(([name]) => forbidden(`${path}.${name}`, 'may not specify more than 1 handler type'));
  const { exec, httpGet, tcpSocket, grpc } = actions;
  if (exec !== undefined && (exec.command ?? []).length === 0) causes.push(required(`${path}.exec.command`));
  if (httpGet !== undefined) causes.push(...validateHttpGet(httpGet, `${path}.httpGet`));
  if (tcpSocket !== undefined) causes.push(...validatePortReference(`${path}.tcpSocket.port`, tcpSocket.port));
  if (grpc !== undefined) causes.push(...validatePortNumber(`${path}.grpc.port`, grpc.port));
  return causes;
}

function validateHttpGet(action: corev1.HTTPGetAction, path: string): ErrorCause[] {
  const headers = (action.httpHeaders ?? []).flatMap((header, i) =>
    (header.name ?? '') === '' ? [] : byRule(`${path}.httpHeaders[${i}].name`, header.name ?? '', httpHeaderName),
  );
  return [...validatePortReference(`${path}.port`, action.port), ...headers];
}
