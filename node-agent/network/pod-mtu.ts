import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** In the folder of the network. */
const FILE = 'mtu';

/**
 * Longest packet, in bytes, that a new pod's link may carry: that of the link over which this node talks to the others. In a file,
 * since who sees it change is not who wires pods. Undefined: the kernel's default.
 */
export function readPodMtu(folder: string): number | undefined {
  try {
    const mtu = Number(readFileSync(join(folder, FILE), 'utf8'));
    return Number.isInteger(mtu) && mtu >= 68 ? mtu : undefined;
  } catch {
    return undefined;
  }
}

/** Says it anew; nothing is written when it is what it was. */
export function writePodMtu(folder: string, mtu: number): void {
  if (readPodMtu(folder) === mtu) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, `${FILE}.new`), `${mtu}\n`, { mode: 0o600 });
  renameSync(join(folder, `${FILE}.new`), join(folder, FILE));
}
