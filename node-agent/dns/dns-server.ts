/**
 * The cluster's DNS on this node. The address that every pod's resolv.conf names is put on the pod bridge, and answered there by
 * the agent itself: no pod to schedule, no translation of addresses, no way to another node.
 */
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { sleep } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { run } from '../../lib/exec.ts';
import { Informer } from '../../lib/informer.ts';
import { portOwner, portOwnerText } from '../../lib/port-owner.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import type { FeatureCondition, NodeFeature } from '../features/node-feature.ts';
import type { FeatureParts } from '../features/registry.ts';
import { gatewayOf } from '../network/pod-cidr.ts';
import { DNS_CONFIG, type DnsConfig, NO_DNS_CONFIG, parseDnsConfig, upstreamsFor } from './dns-config.ts';
import { Forwarder } from './forwarder.ts';
import { type Listener, listenTcp, listenUdp } from './listeners.ts';
import { NameResolver } from './name-resolver.ts';
import { NodeResolvers, resolverFile } from './resolver-file.ts';
import { ZoneSource } from './zone-source.ts';

const DNS_PORT = 53;
const RETRY_MS = 1000;
/**
 * Without a bridge for so long there will be none: pods are wired by a chain of the user's own. Then the loopback carries the address;
 * packets reach it by the pods' way to their node.
 */
const LOOPBACK_AFTER_MS = 5000;
const LOOPBACK = 'lo';
/** Somebody may have made the bridge anew. */
const CHECK_MS = 5_000;
const CONDITION = 'ClusterDNSReady';
const STARTING: FeatureCondition = {
  type: CONDITION,
  status: 'False',
  reason: 'Starting',
  message: "the cluster's DNS is not listening yet",
};

/** The part of {@link FeatureParts} it works with. */
export type DnsParts = Pick<FeatureParts, 'place' | 'client' | 'events' | 'clock' | 'log' | 'changed'> & {
  readonly view: ConstructorParameters<typeof ZoneSource>[0];
};

/** How often the address is looked for while all is well, and when the loopback takes the place of a bridge that does not come. */
export interface DnsTiming {
  readonly checkMs?: number;
  readonly loopbackAfterMs?: number;
}

/** Makes the feature. */
export function createClusterDns(parts: DnsParts, timing: DnsTiming = {}): NodeFeature {
  return new ClusterDns(parts, { checkMs: CHECK_MS, loopbackAfterMs: LOOPBACK_AFTER_MS, ...timing });
}

class ClusterDns implements NodeFeature {
  readonly name = 'cluster-dns';
  readonly #parts: DnsParts;
  readonly #timing: Required<DnsTiming>;
  readonly #source: ZoneSource;
  #config: DnsConfig = NO_DNS_CONFIG;
  #condition: FeatureCondition = STARTING;

  constructor(parts: DnsParts, timing: Required<DnsTiming>) {
    this.#parts = parts;
    this.#timing = timing;
    this.#source = new ZoneSource(parts.view, join(parts.place.dataDir, 'dns', 'zone.json'));
  }

  conditions(): readonly FeatureCondition[] {
    return [this.#condition];
  }

  async run(signal: AbortSignal): Promise<void> {
    const { place, clock, log } = this.#parts;
    this.#source.start();
    const ofNode = new NodeResolvers(await resolverFile(), clock);
    const gateway = gatewayOf(place.podCidr).gateway;
    const own = new Set([place.dnsAddress, gateway]);
    const forwarder = new Forwarder({
      clock,
      log,
      signal,
      // A server that is ourselves would only ask us again.
      upstreamsFor: (name) => upstreamsFor(name, this.#config, ofNode.upstreams).filter(({ ip }) => !own.has(ip)),
    });
    const resolver = new NameResolver({
      facts: {
        domain: place.clusterDomain.toLowerCase().replace(/\.$/, ''),
        dnsAddress: place.dnsAddress,
        ownRanges: [place.serviceCidr, place.clusterCidr],
        serial: Math.floor(clock.now() / 1000),
        random: Math.random,
      },
      zone: () => this.#source.current,
      forwarder,
    });
    await Promise.all([
      this.#serve(place.dnsAddress, resolver, signal, (condition) => this.#show(condition)),
      this.#serve(gateway, resolver, signal, () => undefined),
      this.#followConfig(forwarder, signal),
      this.#source.keepSaved(clock, log, signal),
    ]);
  }

  async teardown(): Promise<void> {
    const { dnsAddress, bridge } = this.#parts.place;
    for (const link of [bridge, LOOPBACK]) {
      // Gone already is as good.
      await run('ip', ['addr', 'del', `${dnsAddress}/32`, 'dev', link], { okExitCodes: 'any' });
    }
    await this.#source.remove();
  }

  #show(condition: FeatureCondition): void {
    const { status, message } = this.#condition;
    this.#condition = condition;
    if (condition.status === status && condition.message === message) return;
    const { log, changed } = this.#parts;
    if (condition.status === 'True') log.info({ reason: condition.reason }, 'cluster dns is served');
    else log.warn({ reason: condition.reason, because: condition.message }, 'cluster dns is not served');
    changed();
  }

  /** Keeps listening on one address, whatever becomes of it. */
  async #serve(
    address: string,
    resolver: NameResolver,
    signal: AbortSignal,
    show: (condition: FeatureCondition) => void,
  ): Promise<void> {
    const { clock, place } = this.#parts;
    const respond = resolver.respond.bind(resolver);
    const listeners: { udp?: Listener; tcp?: Listener } = {};
    let wellMs = clock.monotonicMs();
    while (!signal.aborted) {
      let pauseMs = this.#timing.checkMs;
      try {
        if (address === place.dnsAddress) await this.#keepAddress(clock.monotonicMs() - wellMs);
        wellMs = clock.monotonicMs();
        listeners.udp ??= await listenUdp(address, DNS_PORT, respond);
        listeners.tcp ??= await listenTcp(address, DNS_PORT, respond);
        show({
          type: CONDITION,
          status: 'True',
          reason: 'Serving',
          message: `names are answered at ${address} port ${DNS_PORT}`,
        });
      } catch (err) {
        show(problem(address, err));
        pauseMs = RETRY_MS;
      }
      await sleep(clock, pauseMs, signal);
    }
    await Promise.all([listeners.udp?.close(), listeners.tcp?.close()]);
  }

  /** `sinceMs`: how long it has been missing. */
  async #keepAddress(sinceMs: number): Promise<void> {
    const { dnsAddress, bridge } = this.#parts.place;
    if (await isOurs(dnsAddress)) return;
    const add = async (link: string): Promise<void> => {
      await run('ip', ['addr', 'replace', `${dnsAddress}/32`, 'dev', link], { timeoutMs: 5000 });
    };
    try {
      await add(bridge);
    } catch (err) {
      if (sinceMs < this.#timing.loopbackAfterMs) throw err;
      await add(LOOPBACK);
    }
  }

  /** Follows the ConfigMap. What cannot be read leaves what was known before. */
  async #followConfig(forwarder: Forwarder, signal: AbortSignal): Promise<void> {
    const { client, clock, log, events } = this.#parts;
    const select = { namespace: DNS_CONFIG.namespace, fieldSelector: `metadata.name=${DNS_CONFIG.name}` };
    const informer = new Informer<corev1.ConfigMap>({ client, type: KINDS.ConfigMap, select, clock, log });
    const take = (map: corev1.ConfigMap): void => {
      try {
        this.#config = parseDnsConfig(map.data ?? {});
        forwarder.forget();
      } catch (err) {
        log.warn({ err }, 'settings of dns are wrong, the ones before stay');
        events.record(
          { ...map, apiVersion: 'v1', kind: 'ConfigMap' },
          'Warning',
          'InvalidDNSConfig',
          errorMessage(err),
        );
      }
    };
    const remove = informer.addHandler({
      onAdd: take,
      onUpdate: (_old, map) => take(map),
      onDelete: () => {
        this.#config = NO_DNS_CONFIG;
        forwarder.forget();
      },
    });
    await informer.run(signal);
    remove();
  }
}

/** Whether some link of this machine has the address: only then can a socket be bound to it. */
async function isOurs(address: string): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, address, resolve);
    });
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

function problem(address: string, err: unknown): FeatureCondition {
  const taken = err instanceof Error && 'code' in err && err.code === 'EADDRINUSE';
  const because = taken
    ? `port ${DNS_PORT} is taken by ${portOwnerText(portOwner(DNS_PORT, ['udp', 'tcp']))}`
    : errorMessage(err);
  return {
    type: CONDITION,
    status: 'False',
    reason: taken ? 'PortTaken' : 'NoAddress',
    message: `Cannot answer names at ${address}: ${because}`,
  };
}
