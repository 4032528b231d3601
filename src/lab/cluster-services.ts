/**
 * What an API server adds to a Service when it is made: families, ClusterIPs out of the service subnet, node ports.
 * Pure. What a Service was given it keeps; where it begins to look comes of its name, so that the same manifests give
 * the same addresses in every lab.
 */
import type { RawObject } from '../api/object.ts';
import { type Family, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { at, keyOf, listAt, textAt, wholeAt } from './cluster-raw.ts';

/** As `--service-node-port-range` is unless said. */
const nodePorts = { min: 30_000, max: 32_767 } as const;
const familyNames = { ipv4: 'IPv4', ipv6: 'IPv6' } as const satisfies Record<Family, string>;

/** Services as the manifests have them, with what was added. Order is kept. */
export function admitServices(
  services: readonly RawObject[],
  subnets: readonly Prefix[],
  before: readonly RawObject[] = [],
): readonly RawObject[] {
  const had = new Map(before.map(each => [keyOf(each), each]));
  const addresses = new Taken();
  const ports = new Taken();
  // What is asked for, and what was given before, comes first.
  for (const service of services) {
    for (const each of clusterIpsOf(service)) addresses.claim(each, keyOf(service));
    for (const each of nodePortsOf(service)) ports.claim(String(each), keyOf(service));
  }
  for (const service of services) {
    const old = had.get(keyOf(service));
    for (const each of clusterIpsOf(old)) addresses.claim(each, keyOf(service));
    for (const each of nodePortsOf(old)) ports.claim(String(each), keyOf(service));
  }
  return services.map(service => admit(service, had.get(keyOf(service)), { subnets, addresses, ports }));
}

/** Who has what. */
class Taken {
  readonly #holders = new Map<string, string>();

  claim(what: string, who: string): boolean {
    const holder = this.#holders.get(what);
    if (holder === undefined) this.#holders.set(what, who);
    return holder === undefined || holder === who;
  }

  isFree(what: string): boolean {
    return !this.#holders.has(what);
  }
}

interface Room {
  readonly subnets: readonly Prefix[];
  readonly addresses: Taken;
  readonly ports: Taken;
}

function admit(service: RawObject, old: RawObject | undefined, room: Room): RawObject {
  const type = textAt(service, 'spec', 'type') || 'ClusterIP';
  if (type === 'ExternalName') return service;
  const spec = { ...mapping(at(service, 'spec')), type };
  const ports = needsNodePorts(service, type) ? admitPorts(service, old, room) : at(service, 'spec', 'ports');
  const families = familiesOf(service, room.subnets);
  const more = { ipFamilies: families.map(each => familyNames[each]), ipFamilyPolicy: policyOf(service) };
  if (textAt(service, 'spec', 'clusterIP') === 'None' || listAt(service, 'spec', 'clusterIPs').includes('None'))
    return { ...service, spec: { ...spec, ...more, clusterIP: 'None', clusterIPs: ['None'] } };
  const asked = clusterIpsOf(service);
  const standing = clusterIpsOf(old);
  const clusterIPs = families.flatMap(family => {
    const isOf = (text: string) => IpAddress.parse(text)?.family === family;
    const mine = asked.find(isOf) ?? standing.find(text => isOf(text) && room.addresses.claim(text, keyOf(service)));
    if (mine !== undefined) return [mine];
    const subnet = room.subnets.find(each => each.address.family === family);
    return subnet === undefined ? [] : (take(subnet, keyOf(service), room.addresses) ?? []);
  });
  const [clusterIP = ''] = clusterIPs;
  return { ...service, spec: { ...spec, ...more, ...(ports === undefined ? {} : { ports }), clusterIP, clusterIPs } };
}

function mapping(value: unknown): RawObject {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function policyOf(service: RawObject): string {
  return textAt(service, 'spec', 'ipFamilyPolicy') || 'SingleStack';
}

/** The families named first, then the others of the cluster where the policy wants both. */
function familiesOf(service: RawObject, subnets: readonly Prefix[]): readonly Family[] {
  const there = subnets.map(each => each.address.family);
  const byName = (name: unknown) => (name === 'IPv4' ? 'ipv4' : name === 'IPv6' ? 'ipv6' : undefined);
  const named = listAt(service, 'spec', 'ipFamilies').flatMap(each => byName(each) ?? []);
  const addresses = clusterIpsOf(service).flatMap(text => IpAddress.parse(text)?.family ?? []);
  const first = named.length > 0 ? named : addresses.length > 0 ? addresses : there.slice(0, 1);
  const all = policyOf(service) === 'SingleStack' ? first.slice(0, 1) : [...new Set([...first, ...there])];
  return all.filter(family => there.includes(family));
}

function clusterIpsOf(service: RawObject | undefined): readonly string[] {
  const list = listAt(service, 'spec', 'clusterIPs');
  const texts = list.length > 0 ? list : [at(service, 'spec', 'clusterIP')];
  return texts.flatMap(each => (typeof each === 'string' && IpAddress.parse(each) !== undefined ? [each] : []));
}

function nodePortsOf(service: RawObject | undefined): readonly number[] {
  return listAt(service, 'spec', 'ports').flatMap(port => wholeAt({ min: 1, max: 65_535 }, port, 'nodePort') ?? []);
}

function needsNodePorts(service: RawObject, type: string): boolean {
  if (type === 'NodePort') return true;
  return type === 'LoadBalancer' && at(service, 'spec', 'allocateLoadBalancerNodePorts') !== false;
}

function admitPorts(service: RawObject, old: RawObject | undefined, { ports: taken }: Room): readonly RawObject[] {
  const key = keyOf(service);
  return listAt(service, 'spec', 'ports').map(raw => {
    const port = mapping(raw);
    if (wholeAt({ min: 1, max: 65_535 }, port, 'nodePort') !== undefined) return port;
    const same = listAt(old, 'spec', 'ports').find(each => portId(each) === portId(port));
    const standing = wholeAt({ min: 1, max: 65_535 }, same, 'nodePort');
    if (standing !== undefined && taken.claim(String(standing), key)) return { ...port, nodePort: standing };
    const span = nodePorts.max - nodePorts.min + 1;
    const start = Number(hash(`${key} ${portId(port)}`) % BigInt(span));
    for (let i = 0; i < span; i++) {
      const candidate = nodePorts.min + ((start + i) % span);
      if (!taken.isFree(String(candidate))) continue;
      taken.claim(String(candidate), key);
      return { ...port, nodePort: candidate };
    }
    return port;
  });
}

function portId(port: unknown): string {
  return `${textAt(port, 'protocol') || 'TCP'} ${at(port, 'port')}`;
}

/** The first that is free from where the name says, all round the subnet but for its ends. */
function take(subnet: Prefix, key: string, taken: Taken): string | undefined {
  const { family, value } = subnet.address;
  const size = Prefix.size(subnet) - 2n;
  // 2^16 addresses are as many as anybody's Services; a larger subnet is used from its beginning.
  const span = size < 65_534n ? size : 65_534n;
  for (let i = 0n; i < span; i++) {
    const candidate = IpAddress.format(IpAddress.of(family, value + 1n + ((hash(key) + i) % span)));
    if (!taken.isFree(candidate)) continue;
    taken.claim(candidate, key);
    return candidate;
  }
  return undefined;
}

/** FNV-1a, 64 bits. */
function hash(text: string): bigint {
  let value = 0xcbf29ce484222325n;
  for (const octet of new TextEncoder().encode(text))
    value = ((value ^ BigInt(octet)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return value;
}
