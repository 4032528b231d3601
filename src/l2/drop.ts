/**
 * Why a frame was not answered: the names that counters, metrics and tests share. `respond` returns minus the number of
 * the name here, which is its place in the table of counters too. RFC 826, RFC 4861 §7.1, RFC 5227, L1-L5, L16.
 */

/** In the order of their numbers, from 1. New names go to the end. */
export const drops = [
  // Ethernet.
  'truncated',
  'vlan-tagged',
  'other-ethertype',
  'own-frame',
  'not-for-us',
  'multicast-source',
  // ARP.
  'wrong-hardware-type',
  'wrong-protocol-type',
  'wrong-address-length',
  'other-operation',
  'bad-sender',
  // Either protocol.
  'not-owned',
  'other-link',
  'deadline-passed',
  'listening',
  'reply',
  // IPv6 and ICMPv6.
  'not-ipv6',
  'bad-payload-length',
  'other-next-header',
  'other-icmp',
  'hop-limit',
  'bad-code',
  'bad-checksum',
  'bad-target',
  'bad-destination',
  'zero-length-option',
  'truncated-option',
  'bad-link-option',
  'probe-with-link-option',
  // Another station speaks for an address that this node has a row for: `readHeard` says who and how.
  'heard-claim',
  'heard-answer',
  'heard-claim-yielded',
  'heard-answer-yielded',
] as const;

export type Drop = (typeof drops)[number];

/** Name → the number that `respond` returns for it, which is negative. */
export const dropCode = Object.fromEntries(drops.map((name, i) => [name, -(i + 1)])) as Readonly<Record<Drop, number>>;

/** The name of what `respond` returned, when that was below zero. */
export function dropOf(code: number): Drop {
  const name = drops[-code - 1];
  if (name === undefined) throw new RangeError(`no drop has the code ${code}`);
  return name;
}

/** Whether `respond` returned one of the four that another station's word for an owned address comes as. */
export function isHeard(code: number): boolean {
  return code <= dropCode['heard-claim'] && code >= dropCode['heard-answer-yielded'];
}
