/** Making what a pod's containers live in: sandbox, network, volumes, files. Every step may be repeated. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { qosClass } from '../../lib/qos.ts';
import type { corev1 } from '../../proto/index.ts';
import { podCgroupPath, type QosClass } from '../cgroups/calculations.ts';
import type { HostPort } from '../network/pod-network.ts';
import type { PodPaths } from '../paths.ts';
import type { PodEnvironment } from './environment.ts';
import { hostsFile, podHostname, resolvConf } from './network-files.ts';
import { podResources } from './pod-resources.ts';

/** What one pod is made in. */
export interface PodPlace {
  readonly pod: corev1.Pod;
  readonly paths: PodPaths;
}

/** The pod's class and cgroup. */
export function podCgroup(env: PodEnvironment, pod: corev1.Pod): { readonly qos: QosClass; readonly path: string } {
  const qos = qosClass(pod.spec);
  return { qos, path: podCgroupPath(env.node.cgroupRoot, qos, pod.metadata?.uid ?? '') };
}

/** Makes the sandbox and attaches it to the network; returns the pod's addresses. */
export async function makeSandbox(
  env: PodEnvironment,
  { pod }: PodPlace,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { uid = '', name = '', namespace = '' } = pod.metadata ?? {};
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace, securityContext } = pod.spec ?? {};
  const sysctls = Object.fromEntries((securityContext?.sysctls ?? []).map((s) => [s.name ?? '', s.value ?? '']));
  const sandbox = await env.runtime.createSandbox({
    podUid: uid,
    podName: name,
    podNamespace: namespace,
    hostname: podHostname(pod, env.node.clusterDomain),
    namespaces: {
      hostNetwork: hostNetwork === true,
      hostPID: hostPID === true,
      hostIPC: hostIPC === true,
      shareProcessNamespace: shareProcessNamespace === true,
    },
    ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
    cgroupPath: podCgroup(env, pod).path,
    resources: podResources(pod.spec, env.node.podPidsLimit),
  });
  if (sandbox.netnsPath === null) return env.node.ips;
  const attachment = await env.network.setup({
    podUid: uid,
    podName: name,
    podNamespace: namespace,
    netnsPath: sandbox.netnsPath,
    hostPorts: hostPorts(pod),
  });
  await env.hooks?.attached(pod, attachment.ips, signal);
  return attachment.ips;
}

function hostPorts(pod: corev1.Pod): readonly HostPort[] {
  return (pod.spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostIP = '', hostPort = 0, containerPort = 0, protocol }) =>
      hostPort === 0
        ? []
        : [
            {
              ...(hostIP === '' ? {} : { hostIP }),
              hostPort,
              containerPort,
              protocol: protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP',
            },
          ],
    ),
  );
}

/**
 * Writes the pod's /etc/hosts, /etc/hostname and /etc/resolv.conf. Synchronously: these are a few small files in memory, and
 * each hop through the thread pool would cost more than the write.
 */
export function writeNetworkFiles(env: PodEnvironment, { pod, paths }: PodPlace, podIPs: readonly string[]): void {
  const dir = join(paths.runDir, 'etc');
  mkdirSync(dir, { recursive: true });
  const facts = {
    podIPs,
    nodeName: env.node.name,
    clusterDomain: env.node.clusterDomain,
    ...(env.node.dnsAddress === undefined ? {} : { dnsAddress: env.node.dnsAddress }),
    nodeHosts: readOrEmpty(env.node.hostsPath),
    nodeResolvConf: readOrEmpty(env.node.resolvConfPath),
  };
  const hostname = pod.spec?.hostNetwork === true ? env.node.name : podHostname(pod, env.node.clusterDomain);
  writeFileSync(join(dir, 'hosts'), hostsFile(pod, facts), { mode: 0o644 });
  writeFileSync(join(dir, 'hostname'), `${hostname}\n`, { mode: 0o644 });
  writeFileSync(join(dir, 'resolv.conf'), resolvConf(pod, facts), { mode: 0o644 });
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Sysctls that touch nothing but the pod; others are refused. Kubernetes' safe set. */
const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

/** Why this node will not run the pod, whatever the scheduler thought; null when it will. */
export function refusal(pod: corev1.Pod): { readonly reason: string; readonly message: string } | null {
  const { securityContext, hostNetwork, hostIPC } = pod.spec ?? {};
  for (const { name = '' } of securityContext?.sysctls ?? []) {
    const shared = name.startsWith('net.') ? hostNetwork === true : hostIPC === true;
    if (!SAFE_SYSCTLS.has(name) || shared) {
      const why = shared ? 'not allowed with host namespaces' : 'not allowlisted';
      return { reason: 'SysctlForbidden', message: `forbidden sysctl: "${name}" ${why}` };
    }
  }
  return null;
}
