import type { VerbEntry, VerbGroup } from './verbs.ts';

const GROUPS: readonly VerbGroup[] = ['Cluster', 'Basic', 'Deploying', 'Looking inside', 'Nodes', 'Other'];

/** What `skiff --help` prints. */
export function formatOverview(verbs: Readonly<Record<string, VerbEntry>>): string {
  const width = Math.max(...Object.keys(verbs).map((name) => name.length)) + 2;
  const sections = GROUPS.map((group) => {
    const lines = Object.entries(verbs)
      .filter(([, entry]) => entry.group === group)
      .map(([name, entry]) => `  ${name.padEnd(width)}${entry.summary}`);
    return lines.length === 0 ? '' : `${group}:\n${lines.join('\n')}\n`;
  });
  return [
    'skiff runs Kubernetes manifests on small clusters.\n',
    ...sections.filter((section) => section !== ''),
    'Usage:\n  skiff <command> [arguments] [options]\n',
    'Use "skiff <command> --help" for more about a command.\n',
  ].join('\n');
}
