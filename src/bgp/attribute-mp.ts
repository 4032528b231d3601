/** MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4) around their prefixes, which the RIB reads and writes itself. */
import type { Reader } from '../net/bytes.ts';
import type { MpReach, MpUnreach } from './attribute.ts';
import { Family } from './family.ts';
import { NextHop } from './next-hop.ts';

/**
 * Reads one MP_REACH_NLRI value. Undefined when its prefixes cannot be found (RFC 7606 §7.11): too short, or a next
 * hop whose length the family does not have.
 */
export function decodeMpReach(reader: Reader, extendedNextHop: readonly Family[]): MpReach | undefined {
  if (reader.remaining < 5) return undefined;
  const afi = reader.u16();
  const safi = reader.u8();
  const family = Family.of(afi, safi);
  const nextHopLength = reader.u8();
  // The octet after the next hop is reserved and ignored.
  if (reader.remaining < nextHopLength + 1) return undefined;
  const bytes = reader.take(nextHopLength);
  reader.skip(1);
  const nextHop = family && NextHop.decode(bytes, family, extendedNextHop.includes(family));
  if (family !== undefined && nextHop === undefined) return undefined;
  return { afi, safi, family, nextHop, nlriAt: reader.at, nlriEnd: reader.end };
}

/** Reads one MP_UNREACH_NLRI value. Undefined when it is too short to name a family. */
export function decodeMpUnreach(reader: Reader): MpUnreach | undefined {
  if (reader.remaining < 3) return undefined;
  const afi = reader.u16();
  const safi = reader.u8();
  return { afi, safi, family: Family.of(afi, safi), nlriAt: reader.at, nlriEnd: reader.end };
}
