import { apiv1, autoscalingv1, toJson } from '../../../proto/index.ts';
import { SCALE_MESSAGE } from '../write/scale.ts';

/** The reply of reads and writes of the scale subresource. */
export function scaleReply(
  scale: autoscalingv1.Scale,
  output: apiv1.Output,
  extra: apiv1.ObjectReply = {},
): Uint8Array {
  const { name, namespace, uid, resourceVersion } = scale.metadata ?? {};
  const reply: apiv1.ObjectReply = {
    resourceVersion,
    identity: {
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      plural: 'scales',
      singular: 'scale',
      namespaced: true,
      namespace,
      name,
      uid,
    },
    ...extra,
  };
  if (output === apiv1.Output.TABLE) reply.table = tableOf(scale);
  else if (output === apiv1.Output.JSON) reply.json = Buffer.from(JSON.stringify(toJson(SCALE_MESSAGE, scale)));
  else if (output !== apiv1.Output.NONE) {
    const value = Buffer.from(autoscalingv1.Scale.encode(scale).finish());
    reply.object = { typeUrl: `type.googleapis.com/${SCALE_MESSAGE}`, value };
  }
  return apiv1.ObjectReply.encode(reply).finish();
}

function tableOf({ metadata, spec, status }: autoscalingv1.Scale): apiv1.Table {
  const { name = '', namespace, resourceVersion, creationTimestamp = '' } = metadata ?? {};
  const cells = [name, String(spec?.replicas ?? 0), String(status?.replicas ?? 0), creationTimestamp];
  const columns = [{ name: 'NAME' }, { name: 'DESIRED' }, { name: 'AVAILABLE' }, { name: 'AGE', age: true }];
  return { columns, rows: [{ cells, namespace, name, resourceVersion }] };
}
