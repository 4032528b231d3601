/** Links between places: veth pairs, bridges, and the flat network that every container's eth0 is on. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { openPlace, type Place } from './place.ts';

const execFileAsync = promisify(execFile);

/** `host` is this machine's own namespace. */
export interface LinkEnd {
  readonly place: Place | 'host';
  readonly interface: string;
  readonly mac?: string | undefined;
}

/** A veth pair, both ends up. Throws with what ip(8) said. */
export async function joinPlaces(
  a: LinkEnd,
  b: LinkEnd,
  options: { readonly mtu?: number | undefined } = {},
): Promise<void> {
  const words = ({ place, interface: name, mac }: LinkEnd) => [
    ...['name', name],
    ...(place === 'host' ? [] : ['netns', String(place.pid)]),
    ...(mac === undefined ? [] : ['address', mac]),
    ...(options.mtu === undefined ? [] : ['mtu', String(options.mtu)]),
  ];
  await ip('link', 'add', ...words(a), 'type', 'veth', 'peer', ...words(b));
  for (const { place, interface: name } of [a, b])
    if (place === 'host') await ip('link', 'set', 'dev', name, 'up');
    else await configure(place, [`link set dev ${name} up`]);
}

/** A bridge that forwards from the first moment, and all groups everywhere. */
export async function makeBridge(place: Place, name: string, addresses: readonly string[] = []): Promise<void> {
  await configure(place, [
    `link add name ${name} type bridge forward_delay 0 mcast_snooping 0`,
    `link set dev ${name} up`,
    ...addresses.map(address => `addr add ${address} dev ${name}`),
  ]);
}

export async function addPort(place: Place, bridge: string, port: string): Promise<void> {
  await configure(place, [`link set dev ${port} master ${bridge}`]);
}

/** Lines of `ip -batch`, all of them or an error that says what ip(8) said. */
export async function configure(place: Place, lines: readonly string[]): Promise<void> {
  const { status, stderr } = await place.run(['ip', '-batch', '-'], { stdin: `${lines.join('\n')}\n` });
  if (status !== 0) throw new Error(`${place.name}: ip ${lines.join('; ip ')}: ${stderr.trim()}`);
}

/** On this host; throws with what ip(8) said. */
async function ip(...words: readonly string[]): Promise<void> {
  try {
    await execFileAsync('ip', words);
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new Error(`ip ${words.join(' ')}: ${said}`, { cause: error });
  }
}

/** Who is on a flat network, with the addresses it asks for (without prefix length). */
export interface Member {
  readonly place: Place;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
}

/** A flat network: a bridge in a place of its own, which is the gateway, and an eth0 with a default route for each. */
export class FlatNetwork {
  readonly #place: Place;
  readonly #subnets: readonly Prefix[];
  readonly #taken: Set<string>;
  #ports = 0;

  private constructor(place: Place, subnets: readonly Prefix[], taken: Set<string>) {
    this.#place = place;
    this.#subnets = subnets;
    this.#taken = taken;
  }

  static async open(spec: { readonly lab: string; readonly name: string; readonly subnets: readonly string[] }) {
    const families = existsSync('/proc/net/if_inet6') ? ['ipv4', 'ipv6'] : ['ipv4'];
    const all = spec.subnets.flatMap(subnet => Prefix.parse(subnet) ?? []);
    const subnets = all.filter(subnet => families.includes(subnet.address.family));
    const place = await openPlace({ lab: spec.lab, name: spec.name, about: { role: 'network' } });
    const gateways = subnets.map(subnet => addressOf(subnet, 1n));
    await makeBridge(
      place,
      'br0',
      gateways.map((each, i) => `${each}/${subnets[i]?.length}`),
    );
    return new FlatNetwork(place, subnets, new Set(gateways));
  }

  /** An end of a link of the topology becomes a port. */
  async link(end: LinkEnd, port: string, options: { readonly mtu?: number | undefined }): Promise<void> {
    await joinPlaces(end, { place: this.#place, interface: port }, options);
    await addPort(this.#place, 'br0', port);
  }

  /** What is asked for is given first, so that nobody else gets it. The result are the addresses by place. */
  async join(members: readonly Member[]): Promise<ReadonlyMap<Place, readonly string[]>> {
    const given = new Map<Place, readonly string[]>();
    for (const { ipv4, ipv6 } of members)
      for (const each of [ipv4, ipv6]) if (each !== undefined) this.#taken.add(each);
    for (const { place, ipv4, ipv6 } of members) {
      await this.link({ place, interface: 'eth0' }, `p${this.#ports++}`, {});
      const own = this.#subnets.map(subnet => (subnet.address.family === 'ipv4' ? ipv4 : ipv6) ?? this.#free(subnet));
      const lines = this.#subnets.flatMap((subnet, i) => [
        `addr add ${own[i]}/${subnet.length} dev eth0`,
        `route add default via ${addressOf(subnet, 1n)} dev eth0`,
      ]);
      await configure(place, lines);
      given.set(place, own);
    }
    return given;
  }

  #free(subnet: Prefix): string {
    for (let n = 2n; n < Prefix.size(subnet) - 1n; n++) {
      const address = addressOf(subnet, n);
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      return address;
    }
    throw new Error(`${Prefix.format(subnet)} has no address left`);
  }
}

function addressOf({ address: { family, value } }: Prefix, n: bigint): string {
  return IpAddress.format(IpAddress.of(family, value + n));
}
