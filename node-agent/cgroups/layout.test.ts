import { describe, expect, it } from 'vitest';
import { parseCgroupLayout } from './layout.ts';

const hybrid = `tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup /elsewhere/memory cgroup rw,relatime,memory 0 0
`;

describe('parseCgroupLayout', () => {
  it('sees a pure v2 machine', () => {
    const layout = parseCgroupLayout('cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n', () => 'cpu memory pids\n');
    expect(layout).toMatchObject({
      version: 2,
      unified: '/sys/fs/cgroup',
      hierarchies: ['/sys/fs/cgroup'],
      hybridControllers: [],
    });
  });

  it('sees a hybrid machine, co-mounted controllers, and a hierarchy mounted twice once', () => {
    const layout = parseCgroupLayout(hybrid, () => 'hugetlb\n');
    expect(layout.version).toBe(1);
    expect(layout.controllers.get('cpuacct')).toBe('/sys/fs/cgroup/cpu,cpuacct');
    expect(layout.hierarchies).toEqual([
      '/sys/fs/cgroup/cpu,cpuacct',
      '/sys/fs/cgroup/memory',
      '/sys/fs/cgroup/systemd',
      '/sys/fs/cgroup/unified',
    ]);
    expect(layout.hybridControllers).toEqual(['hugetlb']);
  });

  it('says so when there are no cgroups', () => {
    expect(() => parseCgroupLayout('proc /proc proc rw 0 0\n', () => '')).toThrow(/Cannot find cgroups/);
  });
});
