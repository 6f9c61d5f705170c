/** The systemd units of the server and the agent. */
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { KeptName } from './kept-process.ts';

/** What a unit is written from. */
export interface UnitFacts {
  readonly root: string;
  /** Folder of the launcher. */
  readonly bin: string;
  /** Absolute path of Node.js, and its own options. */
  readonly node: string;
  readonly nodeFlags: readonly string[];
  /** Options of the program. */
  readonly args: readonly string[];
}

const DESCRIPTIONS: Readonly<Record<KeptName, string>> = {
  server: 'Skiff control plane',
  agent: 'Skiff node agent',
};

/** A file without which starting the program makes no sense. */
const NEEDED: Readonly<Partial<Record<KeptName, string>>> = { agent: 'var/lib/skiff/agent/agent.crt' };

/** Name of a unit. */
export function unitName(name: KeptName): string {
  return `skiff-${name}.service`;
}

/** The unit's file below `root`. */
export function unitFile(root: string, name: KeptName): string {
  return join(root, 'etc/systemd/system', unitName(name));
}

/**
 * Text of a unit. Containers are not the program's children in systemd's eyes alone: stopping or restarting the unit must leave
 * them, hence `KillMode=process`, a delegated cgroup, and none of the private mounts that would hide the pods' from the host.
 */
export function unitText(name: KeptName, { root, bin, node, nodeFlags, args }: UnitFacts): string {
  const needed = NEEDED[name];
  const command = [node, ...nodeFlags, join(bin, 'skiff'), name, ...args].map((word) => quoteWord(word)).join(' ');
  return `[Unit]
Description=${DESCRIPTIONS[name]}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
${needed === undefined ? '' : `ConditionPathExists=${join(root, needed).replaceAll('%', '%%')}\n`}
[Service]
Type=exec
ExecStart=${command}
Restart=always
RestartSec=1
# Wrong options, which no restart mends.
RestartPreventExitStatus=2
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
`;
}

/** One word of ExecStart: systemd expands specifiers and variables, and splits at blanks. */
function quoteWord(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@+=:,./%$-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

/** Whether systemd is what runs this machine. */
export function systemdRuns(): boolean {
  return existsSync('/run/systemd/system');
}

/** Whether the program is a unit that this machine's systemd can start: only `/` has those. */
export function isUnit(root: string, name: KeptName): boolean {
  return root === '/' && systemdRuns() && existsSync(unitFile(root, name));
}

/** The absolute path of Node.js to write down: a name that upgrades keep, when one leads to the same program. */
export function nodePath(): string {
  const kept = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
    try {
      return realpathSync(path) === realpathSync(process.execPath);
    } catch {
      return false;
    }
  });
  return kept ?? process.execPath;
}
