/** Addresses in their canonical text, by which Leases list them; worked out once for each value. */
import { IpAddress } from '../net/ip.ts';
import type { L2Group } from './ownership-event.ts';

const texts = new WeakMap<IpAddress, string>();

export function textOf(address: IpAddress): string {
  const text = texts.get(address) ?? IpAddress.format(address);
  texts.set(address, text);
  return text;
}

/** Of all addresses of a group, ascending. */
export function textsOf(group: L2Group): readonly string[] {
  return group.addresses.map(({ address }) => textOf(address)).sort();
}
