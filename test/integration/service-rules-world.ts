/** What tests of rules in the kernel need. */
import { execFileSync } from 'node:child_process';

/** Why namespaces with rules cannot be had here; null when they can. */
export function whyNoNamespaces(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['nft', 'ip', 'nsenter', 'socat', 'conntrack']) {
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return null;
}
