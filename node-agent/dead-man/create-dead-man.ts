/** The dead-man of this machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { qosClass } from '../../lib/qos.ts';
import type { corev1 } from '../../proto/index.ts';
import { podCgroupPath } from '../cgroups/calculations.ts';
import { type CgroupLayout, readCgroupLayout } from '../cgroups/layout.ts';
import type { FeatureParts } from '../features/registry.ts';
import { DeadMan } from './dead-man.ts';
import { DeadManFiles } from './dead-man-files.ts';
import { WatchdogProcess } from './watchdog.ts';

/** Makes the feature, armed or not as the options say. */
export function createDeadMan({ config, place, client, clock, log, changed }: FeatureParts): DeadMan {
  const dir = join(place.runDir, 'dead-man');
  const layout = readCgroupLayout();
  const monitors = layout.hierarchies
    .filter((hierarchy) => hierarchy !== layout.controllers.get('cpuset'))
    .map((hierarchy) => `${hierarchy}/${config.cgroupRoot}/monitors/cgroup.procs`);
  return new DeadMan({
    node: place.name,
    seconds: config.deadManSeconds,
    files: new DeadManFiles(dir),
    watchdog: new WatchdogProcess({
      dir,
      device: config.deadManDevice,
      limitSeconds: config.deadManSeconds ?? 0,
      joinFiles: monitors,
      clock,
    }),
    cgroupFolders: (pod) => cgroupFolders(layout, config.cgroupRoot, pod),
    uptimeSeconds,
    client,
    clock,
    log,
    changed,
  });
}

/** Where the processes of a pod are found: one folder under v2; under v1 first that of the freezer, which holds them still. */
export function cgroupFolders(
  { unified, controllers }: Pick<CgroupLayout, 'unified' | 'controllers'>,
  root: string,
  pod: corev1.Pod,
): readonly string[] {
  const path = podCgroupPath(root, qosClass(pod.spec), pod.metadata?.uid ?? '');
  const mounts = unified === null ? ['freezer', 'pids', 'memory'].map((name) => controllers.get(name)) : [unified];
  return [...new Set(mounts.filter((mount) => mount !== undefined))].map((mount) => `${mount}/${path}`);
}

/** CLOCK_BOOTTIME: unlike Node.js' own clock it goes on while the machine is suspended. */
function uptimeSeconds(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
}
