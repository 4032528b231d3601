/** Text that means an address, a prefix or a moment, read into the value it means. */
import { type Family, IpAddress, type ZonedAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { Notes, shorten } from './notes.ts';

/** Host bits are masked off with a warning that names what is left: `192.168.1.200/28` is .192 to .207. */
export function readPrefix(text: string, path: string, notes: Notes, family?: Family): Prefix | undefined {
  const parsed = Prefix.parseNoting(text);
  if (parsed === undefined || (family !== undefined && parsed.prefix.address.family !== family)) {
    const example = { ipv4: '192.0.2.0/24', ipv6: '2001:db8::/64', any: '192.0.2.0/24 or 2001:db8::/64' }[
      family ?? 'any'
    ];
    const address = IpAddress.parse(text);
    const host = address === undefined ? example : Prefix.format(Prefix.host(address));
    notes.error('bad-cidr', path, `'${shorten(text)}' is no ${kindOf(family)}CIDR`, `write a CIDR such as ${host}`);
    return undefined;
  }
  const { prefix, hostBits } = parsed;
  if (hostBits) {
    const ends = `${IpAddress.format(prefix.address)} to ${IpAddress.format(Prefix.last(prefix))}`;
    const message = `${text} names an address inside a network: the network is ${Prefix.format(prefix)}, from ${ends}`;
    notes.warn(
      'host-bits',
      path,
      message,
      `write ${Prefix.format(prefix)}, or start and stop where the field has them`,
    );
  }
  return prefix;
}

/**
 * The prefixes among the texts, in order. What is none is left out with a warning: these lists belong to other people's
 * objects, which matter to more than the one entry.
 */
export function readPrefixes(texts: readonly string[], path: string, notes: Notes): readonly Prefix[] {
  return texts.flatMap((text, i) => {
    const own = new Notes();
    const prefix = readPrefix(text, `${path}[${i}]`, own);
    notes.add(own.faults, 'warning');
    return prefix ?? [];
  });
}

/** Refuses the object when it is there and is no address, or one of the other family. */
export function readAddress(
  text: string | undefined,
  path: string,
  notes: Notes,
  family?: Family,
): IpAddress | undefined {
  if (text === undefined) return undefined;
  const address = IpAddress.parse(text);
  if (address !== undefined && (family === undefined || family === address.family)) return address;
  const example = { ipv4: '192.0.2.1', ipv6: '2001:db8::1', any: '192.0.2.1 or 2001:db8::1' }[family ?? 'any'];
  const message = `'${shorten(text)}' is no ${kindOf(family)}address`;
  notes.error('bad-address', path, message, `write an address such as ${example}`);
  return undefined;
}

/** As readAddress, but an IPv6 address may carry a zone id: `fe80::1%eth0`. */
export function readZonedAddress(text: string | undefined, path: string, notes: Notes): ZonedAddress | undefined {
  if (text === undefined) return undefined;
  const parsed = IpAddress.parseZoned(text);
  if (parsed !== undefined) return parsed;
  const fix = 'write an address such as 192.0.2.1 or 2001:db8::1, without a prefix length';
  notes.error('bad-address', path, `'${shorten(text)}' is no address`, fix);
  return undefined;
}

/** The addresses among the texts, in order; the others are left out with a warning. */
export function readAddresses(texts: readonly string[], path: string, notes: Notes): readonly IpAddress[] {
  const out: IpAddress[] = [];
  for (const [i, text] of texts.entries()) {
    const address = IpAddress.parse(text);
    if (address !== undefined) out.push(address);
    else
      notes.warn(
        'bad-address',
        `${path}[${i}]`,
        `'${shorten(text)}' is no address and is left out`,
        'write an address or remove it',
      );
  }
  return out;
}

/** RFC 3339 to milliseconds since the epoch; undefined when it is none. */
export function parseTime(text: string): number | undefined {
  const form = /^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$/;
  const ms = text.length <= 40 && form.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** Go's durations, `1m30s`, in seconds; undefined for anything else. */
export function parseDurationSeconds(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > 64 || !/^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const nanoseconds: Readonly<Record<string, number>> = {
    ns: 1,
    us: 1e3,
    µs: 1e3,
    ms: 1e6,
    s: 1e9,
    m: 60e9,
    h: 3600e9,
  };
  let total = 0;
  for (const [, amount, unit = ''] of text.matchAll(/([0-9.]+)(ns|us|µs|ms|s|m|h)/g))
    total += Math.round(Number(amount) * (nanoseconds[unit] ?? 0));
  return total / 1e9;
}

const kindOf = (family: Family | undefined) => (family === undefined ? '' : family === 'ipv4' ? 'IPv4 ' : 'IPv6 ');
