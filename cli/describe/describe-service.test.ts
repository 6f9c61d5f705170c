import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../manifest/json-value.ts';
import { describeService } from './describe-service.ts';

const service = (spec: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', annotations: { 'skiff.dev/announced-by': 'n1' } },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.43.0.9',
    clusterIPs: ['10.43.0.9'],
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, targetPort: 'web', nodePort: 30080, protocol: 'TCP' }],
    sessionAffinity: 'None',
    ...spec,
  },
  status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } },
  ...more,
});
const endpoint = (n: number, conditions: JsonObject): JsonObject => ({
  addresses: [`10.42.0.${n}`],
  nodeName: `n${n}`,
  targetRef: { kind: 'Pod', name: `web-${n}` },
  conditions,
});
const slice: JsonObject = {
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: [
    endpoint(1, { ready: false, terminating: true }),
    endpoint(2, { ready: true }),
    endpoint(3, { ready: false, terminating: false }),
  ],
};
const text = (object: JsonObject, relatives: JsonObject[]): string =>
  describeService({ object, events: [], relatives, nowMs: 0 });

describe('describe service', () => {
  test('shows where it is reached and where the traffic goes', () => {
    expect(text(service(), [slice])).toMatchInlineSnapshot(`
      "Name:                  web
      Namespace:             shop
      Labels:                <none>
      Annotations:           skiff.dev/announced-by: n1
      Selector:              app=web
      Type:                  LoadBalancer
      IP:                    10.43.0.9
      IPs:                   10.43.0.9
      LoadBalancer Ingress:  192.0.2.7
      Announced By:          node n1
      Port:                  http  80/TCP
      TargetPort:            web/TCP
      NodePort:              http  30080/TCP
      Endpoints:             10.42.0.2:8080
      Session Affinity:      None
      Traffic:
        10.43.0.9:80  192.0.2.7:80  every node:30080  (http)
        ├─ 10.42.0.2:8080  Pod/web-2 on n2
        ├─ 10.42.0.1:8080  Pod/web-1 on n1  ending
        └─ 10.42.0.3:8080  Pod/web-3 on n3  not ready
      Events:  <none>
      "
    `);
  });

  test.each<[string, JsonObject, JsonObject[], string]>([
    ['no pod matches', service(), [], 'no pod in the namespace has the labels app=web'],
    [
      'pods match without address',
      service(),
      [{ kind: 'Pod' }],
      'none of the 1 pods with the labels app=web runs and has an address',
    ],
    [
      'none is ready',
      service(),
      [{ ...slice, endpoints: [endpoint(3, { ready: false })] }],
      'none of its 1 endpoints is ready',
    ],
    ['no selector', service({ selector: {} }), [], 'it has no selector, and nobody has written endpoints for it'],
  ])('says why nothing answers: %s', (_, object, relatives, expected) => {
    expect(text(object, relatives)).toMatch(new RegExp(`^Why No Traffic: +${expected}$`, 'm'));
  });

  test('a name has no picture', () => {
    const object = service({ type: 'ExternalName', externalName: 'example.org', clusterIP: '', clusterIPs: [] });
    expect(text(object, [])).not.toMatch(/Traffic:/);
  });
});
