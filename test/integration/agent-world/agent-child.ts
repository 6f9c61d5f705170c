/** The real agent on the real machine, with the API of another process. Arguments: the API's socket, then the agent's options. */

import { systemClock } from '../../../lib/clock.ts';
import { EventRecorder } from '../../../lib/events.ts';
import { createLogger } from '../../../lib/logger.ts';
import { runAgent } from '../../../node-agent/agent.ts';
import { CgroupTree } from '../../../node-agent/cgroups/cgroup-tree.ts';
import { parseConfig } from '../../../node-agent/config.ts';
import { OverlayImageStore } from '../../../node-agent/images/overlay-image-store.ts';
import { SkopeoRegistry } from '../../../node-agent/images/skopeo-registry.ts';
import { createCniNetwork } from '../../../node-agent/network/cni-network.ts';
import { DEFAULT_FACTS, nodePlace } from '../../../node-agent/node/node-place.ts';
import { nodePaths } from '../../../node-agent/paths.ts';
import { ConmonCrunRuntime } from '../../../node-agent/runtime/conmon-crun/conmon-crun-runtime.ts';
import { tearDownNode } from '../../../node-agent/teardown.ts';
import { RemoteResourceClient } from './remote-client.ts';

const [socket = '', ...args] = process.argv.slice(2);
const config = parseConfig(args);
const log = createLogger({ level: config.logLevel, file: config.logFile, component: 'agent' });
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const paths = nodePaths(config.root);
const cgroups = new CgroupTree(config.cgroupRoot);
const parts = {
  paths,
  cgroups,
  runtime: new ConmonCrunRuntime({
    root: config.root,
    cgroups,
    onWarning: (warning) => log.warn({ warning }, 'runtime warning'),
  }),
  network: createCniNetwork({
    root: config.root,
    podCidr: DEFAULT_FACTS.podCidr,
    clusterCidr: DEFAULT_FACTS.clusterCidr,
    prefix: config.linkPrefix,
  }),
  images: new OverlayImageStore({
    directory: `${paths.data}/images`,
    registry: new SkopeoRegistry(),
    syncToDisk: false,
  }),
  clock: systemClock,
  log,
};
if (config.teardown) {
  const left = await tearDownNode(parts, stop.signal);
  for (const line of left) process.stderr.write(`${line}\n`);
  process.exit(left.length === 0 ? 0 : 1);
}
const client = new RemoteResourceClient(socket);
const events = new EventRecorder({ client, component: 'kubelet', host: config.nodeName });
const recording = events.run(stop.signal);
const place = nodePlace(config, DEFAULT_FACTS, () => ({}));
await runAgent(config, { ...parts, client, events, place, version: 'v0.0.0-test' }, stop.signal);
await recording;
client.close();
