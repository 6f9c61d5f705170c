/** The programs a cluster needs on the host, from the list that the package installer reads too. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One program of the list. */
export interface HostTool {
  /** A program's name, looked up in PATH, or an absolute path. */
  readonly tool: string;
  readonly package: string;
}

/** The list in `bin/host-tools.txt`, as text. Lines starting with # are comments. */
export function parseHostTools(text: string): HostTool[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [tool = '', name = ''] = line.trim().split(/\s+/);
      return { tool, package: name };
    });
}

/** What only a server runs. */
const SERVER_TOOLS: ReadonlySet<string> = new Set(['etcd']);

/** Tools that are not there, of those a whole cluster or an agent alone needs. `path` is a PATH value; the system folders are always searched besides. */
export function missingTools(bin: string, path: string, role: 'cluster' | 'agent' = 'cluster'): HostTool[] {
  const folders = [...path.split(':').filter(Boolean), '/usr/sbin', '/sbin'];
  const there = ({ tool }: HostTool): boolean =>
    tool.startsWith('/')
      ? exists(tool, constants.F_OK)
      : folders.some((folder) => exists(join(folder, tool), constants.X_OK));
  const list = parseHostTools(readFileSync(join(bin, 'host-tools.txt'), 'utf8'));
  return list.filter((one) => (role === 'cluster' || !SERVER_TOOLS.has(one.tool)) && !there(one));
}

function exists(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** The error text for missing tools: each by name with its package, and the command that installs them. */
export function describeMissing(missing: readonly HostTool[]): string {
  const lines = missing.map(({ tool, package: name }) => `  ${tool} (Debian package ${name})`);
  const packages = [...new Set(missing.map((m) => m.package))].join(' ');
  return `these programs are missing on this machine:\n${lines.join('\n')}\ninstall them with: apt-get install ${packages}`;
}
