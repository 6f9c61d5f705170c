import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, mapAt, textAt } from '../resources/fields.ts';

/** What `rollout history --revision` prints of a pod template. */
export function formatTemplate(template: JsonObject): string {
  const lines = ['Pod Template:'];
  const labels = mapAt(template, 'metadata', 'labels').map(([key, value]) => `${key}=${value}`);
  lines.push(...hanging('  Labels:', labels));
  const annotations = mapAt(template, 'metadata', 'annotations').map(([key, value]) => `${key}: ${value}`);
  if (annotations.length > 0) lines.push(...hanging('  Annotations:', annotations));
  for (const [title, field] of [
    ['  Init Containers:', 'initContainers'],
    ['  Containers:', 'containers'],
  ] as const) {
    const containers = listAt(template, 'spec', field);
    if (containers.length === 0) continue;
    lines.push(title);
    for (const container of containers) lines.push(...formatContainer(container));
  }
  return `${lines.join('\n')}\n`;
}

function formatContainer(container: JsonObject): string[] {
  const lines = [`   ${textAt(container, 'name')}:`, `    Image:\t${textAt(container, 'image')}`];
  const ports = listAt(container, 'ports').map(
    (port) => `${textAt(port, 'containerPort')}/${textAt(port, 'protocol') || 'TCP'}`,
  );
  lines.push(`    Port:\t${ports.join(', ') || '<none>'}`);
  const env = listAt(container, 'env').map((one) => `      ${textAt(one, 'name')}:\t${textAt(one, 'value')}`);
  lines.push(env.length === 0 ? '    Environment:\t<none>' : '    Environment:', ...env);
  const mounts = listAt(container, 'volumeMounts').map(
    (one) => `      ${textAt(one, 'mountPath')} from ${textAt(one, 'name')}`,
  );
  lines.push(mounts.length === 0 ? '    Mounts:\t<none>' : '    Mounts:', ...mounts);
  return lines;
}

function hanging(title: string, values: readonly string[]): string[] {
  if (values.length === 0) return [`${title}\t<none>`];
  return values.map((value, index) => (index === 0 ? `${title}\t${value}` : `\t${value}`));
}
