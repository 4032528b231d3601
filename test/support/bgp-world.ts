/**
 * The BGP target of node n1 and one router, in memory, with a clock that a test moves; and the objects that make them
 * speak to each other.
 */
import type { ObjectRef, RawObject } from '../../src/api/object.ts';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { StandardCommunity } from '../../src/bgp/community.ts';
import type { PeerConfig } from '../../src/bgp/config.ts';
import { describeDown } from '../../src/bgp/peer-status.ts';
import { Policy } from '../../src/bgp/policy.ts';
import { Speaker } from '../../src/bgp/speaker.ts';
import type { SpeakerEvent } from '../../src/bgp/speaker-effect.ts';
import { NodeControl } from '../../src/control/desired.ts';
import { controlDefaults } from '../../src/control/settings.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { BgpTarget } from '../../src/runtime/bgp-target.ts';
import { Metrics } from '../../src/runtime/metrics.ts';
import type { EventRecord, Store } from '../../src/runtime/ports.ts';
import { SpeakerDriver } from '../../src/runtime/speaker-driver.ts';
import { put } from '../control/scenario.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryNetwork, turns } from './memory-transport.ts';
import { recordingLog } from './recording-log.ts';

const nodeAddress = '10.0.0.1';
export const routerAddress = '10.0.0.2';

/** What the target asks of a store, written down. */
class Notes {
  readonly builder = new SnapshotBuilder();
  readonly statuses: { ref: ObjectRef; status: RawObject; atMs: number }[] = [];
  readonly events: EventRecord[] = [];
  failWith: Error | undefined;
  readonly #clock: ManualClock;
  #wake = () => {};

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  store(): Store {
    const part: Partial<Store> = {
      snapshot: () => this.builder.snapshot(),
      subscribe: wake => {
        this.#wake = wake;
        return () => {};
      },
      applyStatus: async (ref, _manager, status) => {
        if (this.failWith !== undefined) throw this.failWith;
        this.statuses.push({ ref, status, atMs: this.#clock.nowMs() });
        return true;
      },
      record: event => void this.events.push(event),
    };
    return part as Store;
  }

  wake(): void {
    this.#wake();
  }
}

export const secret = (password: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'tor', namespace: 'kube-system' },
  stringData: { password },
});

export const node = (more: object = {}, labels: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1', labels },
  spec: { podCIDRs: ['10.244.1.0/24'], ...more },
  status: { addresses: [{ type: 'InternalIP', address: nodeAddress }] },
});

export const service = (name: string, ip: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }], clusterIP: '10.96.0.1' },
  status: { loadBalancer: { ingress: [{ ip }] } },
});

export const peerConfig = (more: object = {}) => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumBGPPeerConfig',
  metadata: { name: 'tor' },
  spec: {
    timers: { connectRetryTimeSeconds: 1, holdTimeSeconds: 90, keepAliveTimeSeconds: 30 },
    families: [{ afi: 'ipv4', safi: 'unicast', advertisements: { matchLabels: { advertise: 'bgp' } } }],
    ...more,
  },
});

export const advertisement = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumBGPAdvertisement',
  metadata: { name: 'all', labels: { advertise: 'bgp' } },
  spec: {
    advertisements: [
      { advertisementType: 'PodCIDR' },
      { advertisementType: 'Service', service: { addresses: ['LoadBalancerIP'] }, selector: {} },
    ],
  },
};

export const nodeConfig = (instances: readonly object[] = [instance()]) => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumBGPNodeConfig',
  metadata: { name: 'n1' },
  spec: { bgpInstances: instances },
});

export function instance(more: object = {}): object {
  const peer = { name: 'tor', peerASN: 65002, peerAddress: routerAddress, peerConfigRef: { name: 'tor' } };
  return { name: 'main', localASN: 65001, peers: [peer], ...more };
}

export class World {
  readonly clock = new ManualClock();
  readonly log = recordingLog();
  readonly notes = new Notes(this.clock);
  readonly metrics = new Metrics();
  readonly network = new MemoryNetwork();
  readonly control = new NodeControl('n1', controlDefaults);
  readonly target: BgpTarget;
  readonly router = new Speaker({ random: () => 0.5 });
  readonly seen: SpeakerEvent[] = [];
  readonly #routerDriver: SpeakerDriver;

  constructor(password?: string, gracefulRestart = false) {
    const { clock, log, metrics, network } = this;
    this.target = new BgpTarget({
      ...{ node: 'n1', store: this.notes.store(), clock, log, metrics, random: () => 0.5, leaveMs: 5000 },
      transport: () => network.host(nodeAddress),
    });
    this.#routerDriver = new SpeakerDriver({
      ...{ speaker: this.router, transport: network.host(routerAddress), clock, log: recordingLog() },
      onEvent: event => void this.seen.push(event),
    });
    this.#routerDriver.configure({
      asn: 65002,
      routerId: 2,
      listen: [{ port: 179 }],
      peers: [routerPeer(password, gracefulRestart)],
    });
  }

  /** Objects that come, then a pass; what is named goes. */
  async pass(objects: readonly object[], gone: readonly (readonly [string, string])[] = []): Promise<void> {
    for (const raw of objects) put(this.notes.builder, raw);
    for (const [kind, name] of gone) {
      const namespace = kind === 'Service' ? 'default' : kind === 'Secret' ? 'kube-system' : '';
      this.notes.builder.delete(kind as never, namespace, name);
    }
    this.notes.wake();
    await this.target.apply(this.control.desired(this.notes.builder.snapshot()).bgp);
    await turns();
  }

  async wait(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await turns();
  }

  /** What the router has been told: prefixes with their communities. */
  told(): readonly string[] {
    const peer = this.router.peers(this.clock.nowMs())[0];
    const rows = peer === undefined ? [] : [...(this.router.rib?.adjIn(peer.slot, 'ipv4-unicast') ?? [])];
    return rows
      .map(({ prefix, attributes }) =>
        [Prefix.format(prefix), ...(attributes.communities ?? []).map(StandardCommunity.format)].join(' '),
      )
      .sort();
  }

  /** How often the router's session began and ended. */
  sessions(): readonly [number, number] {
    const peer = this.router.peers(this.clock.nowMs())[0];
    return [peer?.established ?? 0, peer?.dropped ?? 0];
  }

  lastWords(): string {
    const downs = this.seen.filter(event => event.kind === 'down').map(event => describeDown(event.reason));
    return downs.at(-1) ?? '';
  }
}

function routerPeer(password: string | undefined, gracefulRestart: boolean): PeerConfig {
  const address = IpAddress.parse(nodeAddress);
  if (address === undefined) throw new Error('no address');
  return {
    ...{ key: 'node', remote: { kind: 'address', address }, asn: 65001 },
    transport: { port: 179, passive: true, password },
    timers: {
      ...{ holdMs: 90_000, keepaliveMs: 30_000, connectRetryMs: 1000, idleHoldMs: 1000, idleHoldMaxMs: 1000 },
      ...{ openHoldMs: 240_000, sendHoldMs: undefined },
    },
    families: [{ family: 'ipv4-unicast' }],
    capabilities: {
      ...{
        routeRefresh: true,
        enhancedRefresh: true,
        fourOctetAs: true,
        extendedMessages: true,
        extendedNextHop: false,
      },
    },
    gracefulRestart: gracefulRestart ? { restartMs: 60_000, staleMs: 60_000, notification: true } : undefined,
    ...{ routeReflectorClient: false, routeServerClient: false, nextHop: 'default', enforceFirstAs: true },
    ...{ allowOwnAs: 0, import: Policy.all, export: Policy.none, gracefulShutdown: false },
  };
}
