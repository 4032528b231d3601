/** Address families a session can carry (RFC 4760 §3, §5): the one table that knows their numbers. */
import { familyBits, type Family as IpFamily } from '../net/ip.ts';

export type Family = 'ipv4-unicast' | 'ipv6-unicast';

export interface FamilyRow {
  readonly family: Family;
  /** Small number for columns and bit sets: 0, 1, … in table order. */
  readonly index: number;
  /** IANA address family number. */
  readonly afi: number;
  /** IANA subsequent address family identifier. */
  readonly safi: number;
  /** The addresses its prefixes are made of. */
  readonly ip: IpFamily;
  /** Longest prefix length. */
  readonly bits: number;
}

/** In index order. */
export const familyRows = [
  { family: 'ipv4-unicast', index: 0, afi: 1, safi: 1, ip: 'ipv4', bits: familyBits.ipv4 },
  { family: 'ipv6-unicast', index: 1, afi: 2, safi: 1, ip: 'ipv6', bits: familyBits.ipv6 },
] as const satisfies readonly FamilyRow[];

export const AFI_IPV6 = 2;

export const Family = {
  all: familyRows.map(row => row.family) as readonly Family[],

  row(family: Family): FamilyRow {
    return familyRows[family === 'ipv4-unicast' ? 0 : 1];
  },

  /** Undefined for a pair of numbers this speaker does not carry. */
  of(afi: number, safi: number): Family | undefined {
    return familyRows.find(row => row.afi === afi && row.safi === safi)?.family;
  },

  /** The family whose prefixes are addresses of this kind. */
  ofIp(ip: IpFamily): Family {
    return ip === 'ipv4' ? 'ipv4-unicast' : 'ipv6-unicast';
  },
};
