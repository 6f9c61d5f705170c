/** The server and the agent on this machine, whoever keeps them running: systemd where their units are installed, else our keeper. */
import { spawnSync } from 'node:child_process';
import { CliError } from '../errors/cli-error.ts';
import type { LocalCluster } from './cluster-options.ts';
import { findKept, type KeptName, logFile, logTail, readChild, startKept, stopKept } from './kept-process.ts';
import { isUnit, unitName } from './systemd-units.ts';

/** Whether something keeps the program running. */
export function isKept({ layout }: LocalCluster, name: KeptName): boolean {
  if (findKept(layout, name) !== undefined) return true;
  return isUnit(layout.root, name) && systemctl('is-active', '--quiet', unitName(name)).ok;
}

/** Starts the program with these options; a unit has its own. Throws a {@link CliError} when systemd refuses. */
export function startProgram(cluster: LocalCluster, name: KeptName, args: readonly string[]): void {
  if (!isUnit(cluster.layout.root, name)) {
    startKept(cluster.layout, name, { bin: cluster.bin, args });
    return;
  }
  const { ok, output } = systemctl('start', unitName(name));
  if (!ok) throw new CliError(`Cannot start ${unitName(name)}`, { hint: output });
}

/** Ends the program. No error when it does not run. */
export async function stopProgram({ layout }: LocalCluster, name: KeptName, timeoutMs: number): Promise<void> {
  await stopKept(layout, name, timeoutMs);
  if (!isUnit(layout.root, name)) return;
  const { ok, output } = systemctl('stop', unitName(name));
  if (!ok) throw new CliError(`Cannot stop ${unitName(name)}`, { hint: output });
}

/** The process id the program has now; undefined between two starts. */
export function programPid({ layout }: LocalCluster, name: KeptName): number | undefined {
  if (!isUnit(layout.root, name)) return readChild(layout, name)?.pid;
  const pid = Number(systemctl('show', '--property=MainPID', '--value', unitName(name)).output);
  return pid > 0 ? pid : undefined;
}

/** Where the program's log is, in words, and its end. */
export function programLog(
  { layout }: LocalCluster,
  name: KeptName,
): { readonly where: string; readonly tail: string } {
  if (!isUnit(layout.root, name)) return { where: logFile(layout, name), tail: logTail(layout, name) };
  const argv = ['-u', unitName(name), '-n', '8', '--no-pager', '-o', 'cat'];
  const tail = spawnSync('journalctl', argv, { encoding: 'utf8' }).stdout ?? '';
  return { where: `journalctl -u ${unitName(name)}`, tail: tail.trimEnd() };
}

/** Runs systemctl. */
export function systemctl(...args: readonly string[]): { readonly ok: boolean; readonly output: string } {
  const { status, stdout, stderr } = spawnSync('systemctl', args, { encoding: 'utf8' });
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}`.trim() };
}
