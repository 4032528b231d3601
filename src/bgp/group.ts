/**
 * Peers that are told the same things in the same words: same export policy, capabilities and addresses of ours. What
 * an attribute set becomes on its way out is worked out once for all of them: who may be told (RFC 4456 §6, RFC 1997,
 * RFC 9234 §5), policy, next hop (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950), and the octets.
 */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { attributeCode } from './attribute.ts';
import type { AttributeStore } from './attribute-store.ts';
import { wellKnownCommunities } from './community.ts';
import { familyRows } from './family.ts';
import { NextHop } from './next-hop.ts';
import type { CompiledPolicy, PolicyVerdict } from './policy-compile.ts';
import {
  FACT_LOCAL_PREF,
  FACT_NO_ADVERTISE,
  FACT_NO_EXPORT,
  FACT_NON_TRANSITIVE,
  FACT_OTC,
  LOCAL_PREF_DEFAULT,
  type RibAttributes,
  word,
} from './rib-attributes.ts';
import { SetCache } from './rib-cache.ts';
import { decodeSet, encodeSet } from './rib-codec.ts';
import { OWN_SLOT } from './rib-paths.ts';
import { isExternal, type RibPeer } from './rib-peer.ts';
import { type Rewrite, Rewriter } from './rib-rewrite.ts';
import { SharedPieces } from './rib-share.ts';
import { toTwoOctets } from './rib-two-octet.ts';
import type { PeerView, RibSelf } from './rib-view.ts';
import { otcOnExport } from './role.ts';
import { EXTENDED_MESSAGE_MAX, MESSAGE_MAX } from './update.ts';

const CACHE_SETS = 2048;

/** Notes beside cached answers: the next hop is not ours, so for the peer whose address it is the answer is another. */
export const NOTE_FOREIGN_NEXT_HOP = 1;

/** What all groups share. */
export interface ExportContext {
  readonly self: RibSelf;
  readonly attributes: RibAttributes;
  /**
   * Sets as they go out. Each begins with the length of the next hop for MP_REACH_NLRI and that next hop; 0 when the
   * prefixes go into the message's own field and NEXT_HOP is among the attributes.
   */
  readonly exports: AttributeStore;
  /** By slot. */
  readonly peers: readonly (RibPeer | undefined)[];
}

/** What is the same for the members of a group, as text. */
export function groupKey(view: PeerView, policy: CompiledPolicy): string {
  const address = (each: IpAddress | undefined) => each && IpAddress.format(each);
  const { localAddress, localIpv4, localIpv6, localLinkLocal } = view;
  return JSON.stringify([
    policy.key,
    policy.namesPeers ? view.key : '',
    view.kind,
    view.localAsn,
    [localAddress, localIpv4, localIpv6, localLinkLocal].map(address),
    view.connected?.map(Prefix.format),
    view.fourOctetAs,
    view.extendedMessages,
    view.extendedNextHop,
    view.role,
    view.nextHop,
    view.gracefulShutdown,
  ]);
}

export class ExportGroup {
  readonly key: string;
  readonly policy: CompiledPolicy;
  /** How many peers are in it. */
  members = 0;
  readonly messageMax: number;
  /** Its octets have AS numbers of four octets (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** By family index: withdrawn prefixes go into MP_UNREACH_NLRI. */
  readonly multiprotocol: readonly boolean[];
  /** By family index: messages that members may have in common. */
  readonly shared: readonly SharedPieces[] = familyRows.map(() => new SharedPieces());
  /** What the last `lookUp` said beside its answer. */
  note = 0;
  readonly #cx: ExportContext;
  readonly #view: PeerView;
  readonly #external: boolean;
  readonly #ownNextHops: readonly (Uint8Array | undefined)[];
  readonly #cache: SetCache;
  readonly #rewriter = new Rewriter();

  constructor(key: string, cx: ExportContext, view: PeerView, policy: CompiledPolicy) {
    this.key = key;
    this.policy = policy;
    this.fourOctetAs = view.fourOctetAs;
    this.messageMax = view.extendedMessages ? EXTENDED_MESSAGE_MAX : MESSAGE_MAX;
    this.multiprotocol = familyRows.map(row => row.bits !== 32 || view.extendedNextHop.includes(row.family));
    this.#cx = cx;
    this.#view = view;
    this.#external = isExternal(view);
    this.#ownNextHops = familyRows.map(row => ownNextHop(view, row.bits));
    this.#cache = new SetCache(cx.attributes.store, cx.exports, CACHE_SETS);
  }

  /**
   * What the set, learned from `slot` in this family, becomes for prefixes of this class; 0: it is not for this
   * group. `ownNextHop`: never another next hop than ours. Like all of the cache's answers it may be gone after the
   * next call unless it is retained.
   */
  lookUp(set: number, slot: number, family: number, prefixClass: number, ownNextHop: boolean): number {
    const cache = this.#cache;
    const number = slot === OWN_SLOT ? 0 : (this.#cx.peers[slot]?.source ?? 0);
    const source = (number << 2) | (family << 1) | (ownNextHop ? 1 : 0);
    if (cache.find(set, source, prefixClass)) {
      this.note = cache.note;
      return cache.value;
    }
    this.note = 0;
    const made = this.#make(set, slot, family, prefixClass, ownNextHop);
    cache.put(set, source, prefixClass, made, this.note);
    return made;
  }

  /** Gives back what is kept. This object must not be used again. */
  dispose(): void {
    this.#cache.clear();
  }

  #make(set: number, slot: number, family: number, prefixClass: number, ownNextHop: boolean): number {
    const { attributes, peers } = this.#cx;
    const from = slot === OWN_SLOT ? undefined : peers[slot];
    if (from !== undefined && !this.#mayKnow(from, attributes.facts[set] as number)) return 0;
    const verdict: PolicyVerdict | 'reject' =
      this.policy.always === 'accept'
        ? { set: undefined, nextHop: 'kept', medSet: false }
        : this.policy.run({
            set: () => decodeSet(attributes, set),
            family,
            prefixClass,
            source: from === undefined ? 'originated' : from.external ? 'external' : 'internal',
            peer: this.#view.key,
          });
    if (verdict === 'reject') return 0;
    if (verdict.set === undefined) return this.#write(set, from, family, verdict, ownNextHop);
    const changed = encodeSet(attributes, verdict.set.attributes, verdict.set.nextHop);
    attributes.store.retain(changed);
    const made = this.#write(changed, from, family, verdict, ownNextHop);
    attributes.store.release(changed);
    return made;
  }

  /**
   * Whether routes of a peer with these facts go to this group at all. Our own go to everybody; their communities are
   * for others.
   */
  #mayKnow(from: RibPeer, facts: number): boolean {
    const kind = this.#view.kind;
    if (!this.#external && !from.external && kind !== 'reflector-client' && from.view.kind !== 'reflector-client')
      return false;
    // A route server passes communities on for its clients to act on (RFC 7947 §2.2.4).
    if (kind === 'server-client' && from.view.kind === 'server-client') return true;
    if ((facts & FACT_NO_ADVERTISE) !== 0) return false;
    return !this.#external || (facts & FACT_NO_EXPORT) === 0;
  }

  #write(set: number, from: RibPeer | undefined, family: number, verdict: PolicyVerdict, ownNextHop: boolean): number {
    const { attributes, exports } = this.#cx;
    const view = this.#view;
    const facts = attributes.facts[set] as number;
    const otc = this.#external ? otcOnExport(view.role, this.#otc(set, facts), view.localAsn) : undefined;
    if (otc === 'leak') return 0;
    const nextHop = this.#nextHop(set, from, family, verdict.nextHop, ownNextHop);
    if (nextHop === undefined) return 0;
    const inside = family === 0 && nextHop.length === 4;
    const how = this.#rewrite(from, facts, verdict, otc, inside ? nextHop : undefined);
    const out = this.#rewriter.out;
    let end = 1;
    out[0] = inside ? 0 : nextHop.length;
    if (!inside) for (const octet of nextHop) out[end++] = octet;
    const begin = end;
    const at = attributes.store.at(set);
    end = this.#rewriter.run(how, attributes.store.bytes, at, at + (attributes.store.length[set] as number), end);
    if (!view.fourOctetAs) end = toTwoOctets(out, begin, end);
    // What cannot be sent in any message is not sent (RFC 8654 §4).
    return end - begin > this.messageMax ? 0 : exports.obtain(out, 0, end);
  }

  #otc(set: number, facts: number): number | undefined {
    if ((facts & FACT_OTC) === 0) return undefined;
    return word(this.#cx.attributes.store.bytes, this.#cx.attributes.find(set, attributeCode.otc)) >>> 0;
  }

  #rewrite(
    from: RibPeer | undefined,
    facts: number,
    verdict: PolicyVerdict,
    otc: number | undefined,
    nextHop: Uint8Array | undefined,
  ): Rewrite {
    const { kind, localAsn, gracefulShutdown } = this.#view;
    const external = this.#external;
    const transparent = kind === 'server-client' && from !== undefined;
    const reflected = !external && from !== undefined && !from.external;
    const lowest = gracefulShutdown && !external ? 0 : undefined;
    const absent = (facts & FACT_LOCAL_PREF) === 0 ? LOCAL_PREF_DEFAULT : 'keep';
    return {
      prepend: external && !transparent ? localAsn : 0,
      strip: external || from !== undefined ? 0 : localAsn,
      nextHop,
      localPref: external ? 'drop' : (lowest ?? absent),
      // Of another AS's metric the next AS is told nothing.
      dropMed: external && from !== undefined && !verdict.medSet && !transparent,
      dropReflection: external,
      originatorId: reflected ? from.routerId : undefined,
      clusterId: reflected ? (this.#cx.self.clusterId ?? this.#cx.self.routerId) : undefined,
      dropNonTransitive: external && (facts & FACT_NON_TRANSITIVE) !== 0,
      community: gracefulShutdown ? wellKnownCommunities['graceful-shutdown'] : undefined,
      otc,
    };
  }

  /** The octets of the next hop to tell; undefined: there is none that this group could use. */
  #nextHop(
    set: number,
    from: RibPeer | undefined,
    family: number,
    byPolicy: PolicyVerdict['nextHop'],
    ownNextHop: boolean,
  ): Uint8Array | undefined {
    const { attributes } = this.#cx;
    const own = this.#ownNextHops[family];
    const at = attributes.find(set, attributeCode.nextHop);
    if (at < 0 || ownNextHop || byPolicy === 'self') return own;
    const kept = byPolicy === 'set' || this.#keepsNextHop(from);
    if (!kept && !this.#view.connected?.length) return own;
    const octets = attributes.store.bytes.slice(at, at + attributes.valueLength);
    const connected = this.#isConnected(octets);
    if (!kept && (this.#view.nextHop === 'self' || !connected)) return own;
    const sendable = this.#sendable(octets, family, connected);
    if (sendable === undefined) return own;
    if (this.#external) this.note |= NOTE_FOREIGN_NEXT_HOP;
    return sendable;
  }

  /** Wherever it is. An external peer is told others' next hops only when they are on a network it shares with us. */
  #keepsNextHop(from: RibPeer | undefined): boolean {
    const { kind, nextHop } = this.#view;
    const reflected = !this.#external && from !== undefined && !from.external;
    if (reflected || nextHop === 'unchanged') return true;
    if (nextHop === 'self') return false;
    // An internal peer is told the next hop as it is; so is one that we serve routes to. What a user asked for goes
    // to everybody.
    return !this.#external || from === undefined || kind === 'server-client';
  }

  #isConnected(octets: Uint8Array): boolean {
    const address = IpAddress.fromBytes(octets.length === 4 ? 'ipv4' : 'ipv6', octets);
    return this.#view.connected?.some(prefix => Prefix.contains(prefix, address)) ?? false;
  }

  /** A next hop that is not ours, in the form that this family and this group's sessions can carry. */
  #sendable(octets: Uint8Array, family: number, connected: boolean): Uint8Array | undefined {
    if (octets.length === 4) {
      if (family === 0) return octets;
      return NextHop.encode({ address: IpAddress.fromBytes('ipv4', octets) }, 'ipv6-unicast');
    }
    if (family === 0 && !this.#view.extendedNextHop.includes('ipv4-unicast')) return undefined;
    // A link-local address means nothing beyond its link.
    if (IpAddress.isLinkLocal(IpAddress.fromBytes('ipv6', octets))) return undefined;
    return connected ? octets : octets.subarray(0, 16);
  }
}

/**
 * Our own address as next hop for a family, in the session's own kind if the family can have it (RFC 4760 §3, RFC
 * 8950 §4).
 */
function ownNextHop(view: PeerView, bits: number): Uint8Array | undefined {
  const { localAddress, localLinkLocal } = view;
  const ipv4 = localAddress.family === 'ipv4' ? localAddress : view.localIpv4;
  const ipv6 = localAddress.family === 'ipv6' ? localAddress : view.localIpv6;
  const linkLocal = localLinkLocal ?? (ipv6 && IpAddress.isLinkLocal(ipv6) ? ipv6 : undefined);
  const global = ipv6 && !IpAddress.isLinkLocal(ipv6) ? ipv6 : undefined;
  const address = global ?? linkLocal;
  const six =
    address && NextHop.encode(global && linkLocal ? { address: global, linkLocal } : { address }, 'ipv6-unicast');
  if (bits !== 32) return six ?? (ipv4 && NextHop.encode({ address: ipv4 }, 'ipv6-unicast'));
  const four = ipv4 && IpAddress.toBytes(ipv4);
  if (!view.extendedNextHop.includes('ipv4-unicast')) return four;
  return localAddress.family === 'ipv6' ? six : (four ?? six);
}
