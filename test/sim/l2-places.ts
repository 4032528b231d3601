/** Addresses of a simulated network. */
import { IpAddress } from '../../src/net/ip.ts';

/** An address in the forms that checking it takes. */
export interface Place {
  readonly address: IpAddress;
  readonly text: string;
  readonly family: IpAddress['family'];
  readonly bytes: Uint8Array;
}

/** 10.0.0.0/16 for even numbers, 2001:db8::/96 for odd ones. */
export function placeOf(number: number): Place {
  const address =
    number % 2 === 0
      ? IpAddress.of('ipv4', 0x0a00_0001n + BigInt(number))
      : IpAddress.of('ipv6', (0x2001_0db8n << 96n) | BigInt(number + 1));
  return { address, text: IpAddress.format(address), family: address.family, bytes: IpAddress.toBytes(address) };
}
