/** Default routes and the state of links as the kernel writes them (proc/net/route, ipv6_route; sys/class/net). */
import type { DefaultRoute } from '../control/settings.ts';
import { IpAddress } from '../net/ip.ts';

const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
/** Of IPv6 routes: unreachable, blackhole and the like. */
const RTF_REJECT = 0x200;
const IFF_UP = 0x1;

/** Administratively up, and operationally up, or unknown as for links that have no carrier to speak of. */
export function isUp(flags: string, operstate: string): boolean {
  const isWanted = (Number.parseInt(flags, 16) & IFF_UP) !== 0;
  return isWanted && ['up', 'unknown'].includes(operstate.trim());
}

/** /proc/net/route: hexadecimal words as the machine holds them, which is little-endian wherever Node 24 runs. */
export function parseRoutes(text: string): readonly DefaultRoute[] {
  return text.split('\n').flatMap(line => {
    const [link = '', destination, gateway = '', flagsText = '', , , metric, mask] = line.split(/\s+/);
    const flags = Number.parseInt(flagsText, 16);
    if (destination !== '00000000' || mask !== '00000000') return [];
    if ((flags & RTF_UP) === 0 || (flags & RTF_GATEWAY) === 0 || !/^[0-9A-Fa-f]{8}$/.test(gateway)) return [];
    const turned = (gateway.match(/../g) ?? []).reverse().join('');
    return [{ gateway: IpAddress.of('ipv4', BigInt(`0x${turned}`)), link, metric: Number(metric) }];
  });
}

/** /proc/net/ipv6_route: hexadecimal digits in network order, numbers in hexadecimal. */
export function parseIpv6Routes(text: string): readonly DefaultRoute[] {
  return text.split('\n').flatMap(line => {
    const words = line.trim().split(/\s+/);
    const [destination, length, , , gateway = '', metric = '', , , flagsText = '', link = ''] = words;
    const flags = Number.parseInt(flagsText, 16);
    if (destination !== '0'.repeat(32) || length !== '00' || !/^[0-9a-f]{32}$/.test(gateway)) return [];
    if ((flags & RTF_UP) === 0 || (flags & RTF_GATEWAY) === 0 || (flags & RTF_REJECT) !== 0) return [];
    return [{ gateway: IpAddress.of('ipv6', BigInt(`0x${gateway}`)), link, metric: Number.parseInt(metric, 16) }];
  });
}
