import { type Field, field, formatDescription, present } from '../describe/description.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, mapAt, textAt } from '../resources/fields.ts';

/** A pod template as `rollout history --revision` and `describe` show it. */
export function formatTemplate(template: JsonObject): string {
  const containers = (title: string, name: string): Field | undefined => {
    const list = listAt(template, 'spec', name);
    return list.length === 0
      ? undefined
      : field(
          title,
          list.map((one) => describeContainer(one)),
        );
  };
  const annotations = mapAt(template, 'metadata', 'annotations').map(([key, value]) => `${key}: ${value}`);
  const fields = present([
    field(
      'Labels',
      mapAt(template, 'metadata', 'labels').map(([key, value]) => `${key}=${value}`),
    ),
    annotations.length === 0 ? undefined : field('Annotations', annotations),
    containers('Init Containers', 'initContainers'),
    containers('Containers', 'containers'),
  ]);
  return formatDescription([field('Pod Template', fields)]);
}

function describeContainer(container: JsonObject): Field {
  const ports = listAt(container, 'ports').map(
    (port) => `${textAt(port, 'containerPort')}/${textAt(port, 'protocol') || 'TCP'}`,
  );
  return field(textAt(container, 'name'), [
    field('Image', textAt(container, 'image')),
    field('Ports', ports.join(', ') || '<none>'),
    field(
      'Environment',
      listAt(container, 'env').map((one) => `${textAt(one, 'name')}: ${textAt(one, 'value')}`),
    ),
    field(
      'Mounts',
      listAt(container, 'volumeMounts').map((one) => `${textAt(one, 'mountPath')} from ${textAt(one, 'name')}`),
    ),
  ]);
}
