/** The two clients of the API keep the same contract as the fake that controllers are tested with. */
import { afterAll, beforeAll, describe } from 'vitest';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { KINDS } from '../../proto/index.ts';
import { type ClientUnderTest, resourceClientContract } from '../contract/resource-client-contract.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

describe.skipIf(apiUnavailable() !== undefined)('clients of a real server', () => {
  let under: ServerUnderTest;
  let namespaces = 0;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
  });
  afterAll(() => under?.stop());

  async function inOwnNamespace(client: ResourceClient, close: () => void): Promise<ClientUnderTest> {
    const namespace = `contract-${++namespaces}`;
    await client.create(KINDS.Namespace, { metadata: { name: namespace } });
    return { client, namespace, close: async () => close() };
  }

  resourceClientContract('GrpcResourceClient', () => inOwnNamespace(under.client(), () => undefined));
  resourceClientContract('LocalResourceClient', () =>
    inOwnNamespace(new LocalResourceClient(under.server.services, 'system:test'), () => undefined),
  );
});
