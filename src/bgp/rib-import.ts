/**
 * What import makes of a received attribute set: the set that takes part in the decision, or why none does. Loops are
 * RFC 4271 §9.1.2 and RFC 4456 §8, our own address as next hop RFC 4271 §5.1.3, leaks RFC 9234 §5, graceful shutdown
 * RFC 8326 §4; then policy has its say. The answer is the same for all prefixes that the policy's prefix lists do not
 * tell apart, and is kept by set.
 */
import { IpAddress } from '../net/ip.ts';
import { attributeCode, type PathAttributes } from './attribute.ts';
import type { CompiledPolicy } from './policy-compile.ts';
import {
  FACT_GRACEFUL_SHUTDOWN,
  FACT_OTC,
  FACT_OWN_AS,
  FACT_OWN_CLUSTER,
  FACT_OWN_ORIGINATOR,
  type RibAttributes,
  word,
} from './rib-attributes.ts';
import { SetCache } from './rib-cache.ts';
import { type DecodedSet, decodeSet, encodeSet } from './rib-codec.ts';
import { type IneligibleReason, ineligibleReasons, type PeerView, type RibSelf } from './rib-view.ts';
import { otcOnImport } from './role.ts';

const CACHE_SETS = 1024;
const LOOP_FACTS = FACT_OWN_AS | FACT_OWN_ORIGINATOR | FACT_OWN_CLUSTER;

export class RibImport {
  readonly policy: CompiledPolicy;
  /** Why the last answer was 0: 1 + an index into `ineligibleReasons`; 0 when it was not. */
  reason = 0;
  readonly #attributes: RibAttributes;
  readonly #self: RibSelf;
  readonly #view: PeerView;
  readonly #external: boolean;
  readonly #ownAddresses: readonly Uint8Array[];
  /** Sets are taken as they are unless something about them is special. */
  readonly #plain: boolean;
  readonly #cache: SetCache;

  constructor(attributes: RibAttributes, self: RibSelf, view: PeerView, policy: CompiledPolicy) {
    this.policy = policy;
    this.#attributes = attributes;
    this.#self = self;
    this.#view = view;
    this.#external = view.kind === 'external' || view.kind === 'server-client';
    const own = [view.localAddress, view.localIpv4, view.localIpv6, view.localLinkLocal];
    this.#ownAddresses = own.flatMap(address => (address ? [IpAddress.toBytes(address)] : []));
    this.#plain = policy.always === 'accept' && view.role === undefined && !view.gracefulShutdown;
    this.#cache = new SetCache(attributes.store, attributes.store, CACHE_SETS);
  }

  /** Equal for those that give the same answers. Made when asked: most sessions never change. */
  get key(): string {
    return importKey(this.#view, this.policy);
  }

  /**
   * The set that `raw` becomes for prefixes of this class in this family, or 0; then `reason` says why. What it gives
   * may have no other reference than this object's: put it somewhere before asking again.
   */
  effective(raw: number, family: number, prefixClass: number): number {
    const facts = this.#attributes.facts[raw] as number;
    const loop = this.#loop(raw, facts);
    if (loop !== undefined) return this.#ineligible(loop);
    this.reason = 0;
    if (this.#plain && (facts & FACT_GRACEFUL_SHUTDOWN) === 0) return raw;
    if (this.policy.always === 'reject') return this.#ineligible('import policy');
    const cache = this.#cache;
    if (cache.find(raw, family, prefixClass)) {
      this.reason = cache.note;
      return cache.value;
    }
    const made = this.#evaluate(raw, facts, family, prefixClass);
    cache.put(raw, family, prefixClass, made, this.reason);
    return made;
  }

  /** Gives back what is kept. This object must not be used again. */
  dispose(): void {
    this.#cache.clear();
  }

  #ineligible(reason: IneligibleReason): 0 {
    this.reason = ineligibleReasons.indexOf(reason) + 1;
    return 0;
  }

  #loop(raw: number, facts: number): IneligibleReason | undefined {
    const view = this.#view;
    if ((facts & LOOP_FACTS) !== 0 || view.localAsn !== this.#self.asn) {
      if (this.#ownAsCount(raw, facts) > view.allowOwnAs) return 'own AS in path';
      if (!this.#external && (facts & FACT_OWN_ORIGINATOR) !== 0) return 'own originator ID';
      if (!this.#external && (facts & FACT_OWN_CLUSTER) !== 0) return 'own cluster ID in list';
    }
    return this.#isOwnNextHop(raw) ? 'next hop is this speaker' : undefined;
  }

  #ownAsCount(raw: number, facts: number): number {
    const { localAsn } = this.#view;
    if ((facts & FACT_OWN_AS) === 0 && localAsn === this.#self.asn) return 0;
    const bytes = this.#attributes.store.bytes;
    let at = this.#attributes.find(raw, attributeCode.asPath);
    const end = at + this.#attributes.valueLength;
    let count = 0;
    while (at < end) {
      const after = at + 2 + (bytes[at + 1] as number) * 4;
      for (at += 2; at < after; at += 4) {
        const asn = word(bytes, at) >>> 0;
        if (asn === localAsn || asn === this.#self.asn) count++;
      }
    }
    return count;
  }

  #isOwnNextHop(raw: number): boolean {
    const at = this.#attributes.find(raw, attributeCode.nextHop);
    const length = this.#attributes.valueLength;
    const bytes = this.#attributes.store.bytes;
    for (const own of this.#ownAddresses) {
      if (own.length !== Math.min(length, 16)) continue;
      let same = 0;
      while (same < own.length && own[same] === bytes[at + same]) same++;
      if (same === own.length) return true;
    }
    return false;
  }

  #evaluate(raw: number, facts: number, family: number, prefixClass: number): number {
    const view = this.#view;
    let set: DecodedSet | undefined;
    if (this.#external) {
      const otc = otcOnImport(view.role, this.#otc(raw, facts), view.asn);
      if (otc === 'leak') return this.#ineligible('route leak');
      if (otc !== undefined) set = withAttributes(decodeSet(this.#attributes, raw), { otc });
      if (view.gracefulShutdown || (facts & FACT_GRACEFUL_SHUTDOWN) !== 0)
        set = withAttributes(set ?? decodeSet(this.#attributes, raw), { localPref: 0 });
    }
    const verdict = this.policy.run({
      set: () => set ?? decodeSet(this.#attributes, raw),
      family,
      prefixClass,
      source: this.#external ? 'external' : 'internal',
      peer: view.key,
    });
    if (verdict === 'reject') return this.#ineligible('import policy');
    set = verdict.set ?? set;
    if (set === undefined) return raw;
    return encodeSet(
      this.#attributes,
      set.attributes,
      verdict.nextHop === 'self' ? { address: view.remoteAddress } : set.nextHop,
    );
  }

  #otc(raw: number, facts: number): number | undefined {
    if ((facts & FACT_OTC) === 0) return undefined;
    const at = this.#attributes.find(raw, attributeCode.otc);
    return word(this.#attributes.store.bytes, at) >>> 0;
  }
}

function importKey(view: PeerView, policy: CompiledPolicy): string {
  const { kind, asn, localAsn, role, allowOwnAs, gracefulShutdown } = view;
  const own = [view.localAddress, view.localIpv4, view.localIpv6, view.localLinkLocal, view.remoteAddress];
  const addresses = own.map(address => address && IpAddress.format(address));
  return JSON.stringify([policy.key, view.key, kind, asn, localAsn, role, allowOwnAs, gracefulShutdown, addresses]);
}

function withAttributes(set: DecodedSet, more: PathAttributes): DecodedSet {
  return { ...set, attributes: { ...set.attributes, ...more } };
}
