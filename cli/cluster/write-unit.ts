/** Puts the unit of a program where systemd reads it, and takes it away. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { CliError } from '../errors/cli-error.ts';
import type { LocalCluster } from './cluster-options.ts';
import { type KeptName, nodeFlags } from './kept-process.ts';
import { systemctl } from './programs.ts';
import { nodePath, systemdRuns, unitFile, unitName, unitText } from './systemd-units.ts';

/** The unit's text for this machine. */
export function localUnitText({ layout, bin }: LocalCluster, name: KeptName, args: readonly string[]): string {
  return unitText(name, { root: layout.root, bin, node: nodePath(), nodeFlags: nodeFlags(name), args });
}

/** Writes the unit and, where systemd runs and the root is its own, has it read. Returns the file. */
export function writeUnit(cluster: LocalCluster, name: KeptName, args: readonly string[]): string {
  const { root } = cluster.layout;
  const file = unitFile(root, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, localUnitText(cluster, name, args), { mode: 0o644 });
  renameSync(`${file}.new`, file);
  if (root === '/' && systemdRuns()) demand('daemon-reload');
  return file;
}

/** Stops, disables and removes the unit; false when there is none. */
export function removeUnit({ layout: { root } }: LocalCluster, name: KeptName): boolean {
  const file = unitFile(root, name);
  if (!existsSync(file)) return false;
  const live = root === '/' && systemdRuns();
  if (live) demand('disable', '--now', unitName(name));
  rmSync(file);
  if (live) demand('daemon-reload');
  return true;
}

/** Has systemd start the unit now and at every boot. */
export function enableUnit(name: KeptName): void {
  demand('enable', '--now', unitName(name));
}

function demand(...args: readonly string[]): void {
  const { ok, output } = systemctl(...args);
  if (!ok) throw new CliError(`systemctl ${args.join(' ')} failed`, { hint: output });
}
