/** What is proven inside the emulated machine. Run by its init; the words given choose checks by name (the cluster's start and end always run). */
import { existsSync } from 'node:fs';
import { adoptionChecks } from './adoption.ts';
import { endChecks, startChecks } from './life.ts';
import { limitChecks, withoutMemoryChecks } from './limits.ts';
import { CGROUPS, read } from './machine.ts';
import { print, runChecks } from './report.ts';
import { treeChecks } from './tree.ts';

const words = process.argv.slice(2).filter(Boolean);

async function main(): Promise<void> {
  const hasMemory = read(CGROUPS, 'cgroup.controllers').split(' ').includes('memory');
  const checks = hasMemory ? [...treeChecks, ...limitChecks, ...adoptionChecks] : withoutMemoryChecks;
  let failed = await runChecks(startChecks, []);
  // Without a cluster every further check would only wait for its time-out.
  if (failed === 0) failed += await runChecks(checks, words);
  if (failed > 0) printLogs();
  failed += await runChecks(endChecks, []);
  print('checks done');
  process.exitCode = failed === 0 ? 0 : 1;
}

function printLogs(): void {
  for (const name of ['server', 'agent', 'etcd']) {
    const file = `/var/log/skiff/${name}.log`;
    if (existsSync(file)) print(`--- ${file}\n${read(file).split('\n').slice(-60).join('\n')}`);
  }
}

await main();
