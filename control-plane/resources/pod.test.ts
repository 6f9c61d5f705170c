import { describe, expect, it } from 'vitest';
import type { corev1, Json } from '../../proto/index.ts';
import { pod } from './pod.ts';
import { problemsOf, readObject, withValue } from './test-objects.ts';
import { valid } from './valid-objects.ts';

describe('a pod', () => {
  it('is found by the fields Kubernetes has', () => {
    const spec: Json = {
      containers: [{ name: 'main', image: 'x:1' }],
      nodeName: 'n1',
      restartPolicy: 'Never',
      schedulerName: 'mine',
      serviceAccountName: 'robot',
      hostNetwork: true,
    };
    const status: Json = {
      phase: 'Running',
      podIPs: [{ ip: '10.42.0.3' }, { ip: 'fd00::3' }],
      nominatedNodeName: 'n2',
    };
    const object = readObject<corev1.Pod>(withValue(withValue(valid('Pod'), 'spec', spec), 'status', status));
    const fields = Object.entries(pod.selectableFields ?? {}).map(([name, cell]) => [name, cell(object)]);
    expect(Object.fromEntries(fields)).toEqual({
      'spec.nodeName': 'n1',
      'spec.restartPolicy': 'Never',
      'spec.schedulerName': 'mine',
      'spec.serviceAccountName': 'robot',
      'spec.hostNetwork': 'true',
      'status.phase': 'Running',
      'status.podIP': '10.42.0.3',
      'status.podIPs': '10.42.0.3,fd00::3',
      'status.nominatedNodeName': 'n2',
    });
  });

  it('is made without ephemeral containers', () => {
    const looked = withValue(valid('Pod'), 'spec.ephemeralContainers', [{ name: 'debug', image: 'x:1' }]);
    expect(problemsOf(looked)).toEqual(['spec.ephemeralContainers: Forbidden: cannot be set on create']);
  });
});
