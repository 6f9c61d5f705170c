/** Kubernetes' defaults of pods and pod templates. All functions change the object they are given and are idempotent. */
import type { corev1 } from '../../../proto/index.ts';
import { sortedKeys } from '../sorted-keys.ts';
import { defaultContainer } from './container-defaults.ts';
import { defaultVolume } from './volume-defaults.ts';

/** Defaults that a pod has and a template has not, after those of both. */
export function defaultPod(pod: corev1.Pod): void {
  const spec = pod.spec;
  if (spec === undefined) return;
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    requestWhatIsLimited(container.resources);
    if (spec.hostNetwork === true) openHostPorts(container);
  }
  const status = pod.status;
  if (status?.podIP !== undefined && status.podIPs === undefined) status.podIPs = [{ ip: status.podIP }];
  if (status?.hostIP !== undefined && status.hostIPs === undefined) status.hostIPs = [{ ip: status.hostIP }];
}

/** Defaults of a workload's pod template. */
export function defaultPodTemplate(template: corev1.PodTemplateSpec): void {
  template.spec ??= {};
  defaultPodSpec(template.spec);
}

function defaultPodSpec(spec: corev1.PodSpec): void {
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.restartPolicy ??= 'Always';
  spec.schedulerName ??= 'default-scheduler';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  // The older spelling of the same field: whichever is given, both are kept.
  const account = spec.serviceAccountName ?? spec.serviceAccount;
  if (account !== undefined) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
}

/** A resource that is limited and not requested is requested in full. */
function requestWhatIsLimited(resources: corev1.ResourceRequirements | undefined): void {
  const limits = resources?.limits;
  if (resources === undefined || limits === undefined) return;
  const missing = Object.keys(limits).filter((name) => resources.requests?.[name] === undefined);
  if (missing.length > 0) resources.requests = sortedKeys({ ...pick(limits, missing), ...resources.requests });
}

function pick(map: Readonly<Record<string, string>>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, map[key] ?? '0']));
}

/** On the host's network a container's port is the host's. */
function openHostPorts(container: corev1.Container): void {
  for (const port of container.ports ?? []) {
    if ((port.hostPort ?? 0) === 0 && port.containerPort !== undefined) port.hostPort = port.containerPort;
  }
}
