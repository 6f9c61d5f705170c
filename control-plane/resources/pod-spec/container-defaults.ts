/** Kubernetes' defaults of containers, their ports, probes, hooks and environment. */
import type { corev1 } from '../../../proto/index.ts';

/** Fills in a container of any sort. */
export function defaultContainer(container: corev1.Container | corev1.EphemeralContainer): void {
  container.imagePullPolicy ??= defaultPullPolicy(container.image ?? '');
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  for (const port of container.ports ?? []) port.protocol ??= 'TCP';
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe !== undefined) defaultProbe(probe);
  }
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop])
    defaultHttpGet(handler?.httpGet);
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef !== undefined) valueFrom.fieldRef.apiVersion ??= 'v1';
  }
}

/** `Always` for the tag `latest`, named, or implied where there is no digest either; `IfNotPresent` for all else. */
export function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  const [named = '', digest] = image.split('@', 2);
  const lastPart = named.slice(named.lastIndexOf('/') + 1);
  const colon = lastPart.indexOf(':');
  const isLatest = colon < 0 ? digest === undefined : lastPart.slice(colon + 1) === 'latest';
  return isLatest ? 'Always' : 'IfNotPresent';
}

function defaultProbe(probe: corev1.Probe): void {
  probe.timeoutSeconds ??= 1;
  probe.periodSeconds ??= 10;
  probe.successThreshold ??= 1;
  probe.failureThreshold ??= 3;
  defaultHttpGet(probe.httpGet);
  if (probe.grpc !== undefined) probe.grpc.service ??= '';
}

function defaultHttpGet(action: corev1.HTTPGetAction | undefined): void {
  if (action === undefined) return;
  action.path ??= '/';
  action.scheme ??= 'HTTP';
}
