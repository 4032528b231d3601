/**
 * What is said in `status` of a node's CiliumBGPNodeConfig: state, timers and route counts of every peer (reference
 * §1.4). Written when it differs from what was written, at most once in a while.
 */
import type { ObjectRef, RawObject } from '../api/object.ts';
import { Family } from '../bgp/family.ts';
import type { PeerStatus } from '../bgp/speaker-status.ts';
import type { PeerPlan } from '../control/bgp-plan.ts';
import { IpAddress } from '../net/ip.ts';
import type { BgpInstance } from './bgp-instance.ts';
import { type Clock, ConflictError, type Log, type Store } from './ports.ts';

/** Between two writes. */
const writeEveryMs = 1000;
/** Nobody tells when a peer's route counts change: they are looked at this often. */
const lookEveryMs = 10_000;

/** Of all instances, by name. */
export function bgpStatus(instances: ReadonlyMap<string, BgpInstance>, nowMs: number): RawObject {
  const bgpInstances = [...instances].map(([name, instance]) => {
    const { plan } = instance.desired;
    const statuses = new Map(instance.speaker.peers(nowMs).map(status => [status.key, status]));
    const peers = plan.peers.map(peer => peerStatus(peer, statuses.get(peer.key), instance));
    return { name, ...(plan.localAsn === undefined ? {} : { localASN: plan.localAsn }), peers };
  });
  return { bgpInstances };
}

function peerStatus(
  { key, remoteText, asn }: PeerPlan,
  status: PeerStatus | undefined,
  { speaker, establishedMs }: BgpInstance,
): RawObject {
  const address = status?.remote === undefined ? remoteText : IpAddress.format(status.remote.address);
  const about = { name: key, peerAddress: address, peerASN: status?.remoteAsn ?? asn };
  if (status === undefined) return about;
  const { state, negotiated, upMs } = status;
  const sinceMs = upMs === undefined ? undefined : establishedMs.get(key);
  const timers = negotiated && {
    appliedHoldTimeSeconds: negotiated.holdMs / 1000,
    appliedKeepaliveSeconds: Math.round(negotiated.keepaliveMs / 1000),
  };
  const routeCount = (negotiated?.families ?? []).map(family => {
    const counts = speaker.rib?.peerCounts(status.slot, family);
    const { afi, safi } = familyWords(family);
    return { afi, safi, received: counts?.received ?? 0, advertised: counts?.advertised ?? 0 };
  });
  return {
    ...about,
    peeringState: state.toLowerCase(),
    ...(timers && { timers }),
    ...(sinceMs === undefined ? {} : { establishedTime: rfc3339(sinceMs) }),
    routeCount,
  };
}

/** As manifests and command lines write a family: `ipv4`, `unicast`. */
export function familyWords(family: Family): { readonly afi: string; readonly safi: string } {
  return { afi: Family.row(family).ip, safi: 'unicast' };
}

function rfc3339(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

export class BgpStatusWriter {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #manager: string;
  readonly #read: () => RawObject;
  #ref: ObjectRef | undefined;
  #said: { readonly ref: ObjectRef; readonly text: string } | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  /** `read` gives the status as it is now. */
  constructor(env: { store: Store; clock: Clock; log: Log }, manager: string, read: () => RawObject) {
    this.#store = env.store;
    this.#clock = env.clock;
    this.#log = env.log;
    this.#manager = manager;
    this.#read = read;
  }

  /** On which object it is said; undefined: on none, and what was said is taken back. */
  about(ref: ObjectRef | undefined): void {
    const same = ref?.kind === this.#ref?.kind && ref?.name === this.#ref?.name;
    this.#ref = ref;
    if (!same) this.changed();
  }

  /** Something may read differently now. */
  changed(): void {
    this.#look(Math.max(this.#clock.nowMs(), this.#lastMs + writeEveryMs));
  }

  /** Writes what is left to say; resolves when it is written. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#write();
    this.#closed = true;
    await this.#writing;
  }

  #look(atMs: number): void {
    if (this.#closed || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return;
    this.#timer?.cancel();
    const cancel = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#timer = undefined;
      this.#lastMs = this.#clock.nowMs();
      // What follows from a change (routes sent, a session coming up) is seen a moment later.
      const differs = this.#write();
      if (this.#ref !== undefined) this.#look(this.#lastMs + (differs ? writeEveryMs : lookEveryMs));
    });
    this.#timer = { atMs, cancel };
  }

  /** True when there was something to write. */
  #write(): boolean {
    const ref = this.#ref;
    const before = this.#said;
    if (ref === undefined) {
      if (before === undefined) return false;
      this.#said = undefined;
      this.#apply(before.ref, {});
      return true;
    }
    const status = this.#read();
    const text = JSON.stringify(status);
    if (before?.text === text && before.ref.name === ref.name) return false;
    this.#said = { ref, text };
    this.#apply(ref, status);
    return true;
  }

  #apply(ref: ObjectRef, status: RawObject): void {
    this.#writing = this.#writing
      .then(async () => void (await this.#store.applyStatus(ref, this.#manager, status)))
      .catch((error: unknown) => {
        // Said again at the next look. An object that is gone needs no status.
        this.#said = undefined;
        if (error instanceof ConflictError) return;
        this.#log.warn('status not written', { object: ref.name, error: String(error) });
        this.changed();
      });
  }
}
