/**
 * Pods as places: each has a network namespace with addresses of its node's PodCIDRs on eth0, and a route to them on
 * the node; nodes reach each other's pods over the network that the nodes share. As a network plugin without a tunnel
 * does it: a veth pair a pod, the gateway's address on the node's end of each, host routes.
 */
import { createHash } from 'node:crypto';
import { familyBits, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import type { Log } from '../runtime/ports.ts';
import { configure, joinPlaces } from './link.ts';
import { openPlace, type Place, placesOf } from './place.ts';
import { gatewayOf, type Pod, podIdentity, podKey } from './pods.ts';

/** A node that stands, as its pods see it. */
export interface NetworkNode {
  readonly name: string;
  readonly place: Place;
  readonly podCidrs: readonly Prefix[];
  /** Where other nodes send what is for its pods: the first of these that is a neighbour of theirs. */
  readonly nextHops: readonly IpAddress[];
}

/** Where nothing better is known: whatever the topology or a routing daemon installs for the same network wins. */
const routeMetric = 4096;

export class PodNetwork {
  readonly #lab: string;
  readonly #log: Log;
  readonly #prepared = new Map<string, string>();
  readonly #standing = new Map<string, Place>();

  constructor(lab: string, log: Log) {
    this.#lab = lab;
    this.#log = log;
  }

  /** Pods by their identity. */
  get standing(): ReadonlyMap<string, Place> {
    return this.#standing;
  }

  /** The whole set: makes what is missing, removes what is too much. One that fails does not keep the others back. */
  async apply(nodes: readonly NetworkNode[], pods: readonly Pod[]): Promise<void> {
    for (const node of nodes) await this.#prepare(node, nodes);
    const wanted = new Set(pods.map(podIdentity));
    this.#standing.clear();
    for (const place of placesOf(this.#lab)) {
      const is = place.about['pod'];
      if (is === undefined) continue;
      if (wanted.has(is)) this.#standing.set(is, place);
      else await place.close();
    }
    const failures: string[] = [];
    for (const pod of pods) {
      const node = nodes.find(each => each.name === pod.node);
      if (node === undefined || this.#standing.has(podIdentity(pod))) continue;
      try {
        this.#standing.set(podIdentity(pod), await this.#make(pod, node));
      } catch (error) {
        failures.push(`${podKey(pod)}: ${error instanceof Error ? error.message : error}`);
      }
    }
    if (failures.length > 0) throw new Error(failures.join('; '));
  }

  async #make(pod: Pod, node: NetworkNode): Promise<Place> {
    const about = { role: 'pod', node: pod.node, pod: podIdentity(pod) };
    const place = await openPlace({ lab: this.#lab, name: placeName(pod), hostName: pod.name, about });
    try {
      const link = linkName(pod);
      await joinPlaces({ place: node.place, interface: link }, { place, interface: 'eth0' });
      await configure(node.place, nodeSide(pod, node, link));
      await configure(place, podSide(pod, node));
    } catch (error) {
      await place.close();
      throw error;
    }
    this.#log.info('pod stands', { pod: podKey(pod), node: pod.node, addresses: pod.addresses.map(IpAddress.format) });
    return place;
  }

  /** Forwarding, and the way to the pods of other nodes. */
  async #prepare(node: NetworkNode, nodes: readonly NetworkNode[]): Promise<void> {
    const others = nodes.filter(each => each.name !== node.name);
    const state = JSON.stringify([node.place.pid, [node, ...others].map(each => [cidrTexts(each), hopTexts(each)])]);
    if (this.#prepared.get(node.name) === state) return;
    await node.place.run(['sh', '-c', forwarding]);
    // Nothing on the way out for what no pod has: a default route would send it round in circles.
    const own = cidrTexts(node).map(cidr => `route replace unreachable ${cidr} metric ${2 * routeMetric}`);
    if (own.length > 0) await configure(node.place, own);
    for (const other of others) for (const cidr of other.podCidrs) await routeTo(node.place, cidr, other.nextHops);
    this.#prepared.set(node.name, state);
  }
}

const cidrTexts = ({ podCidrs }: NetworkNode) => podCidrs.map(Prefix.format);
const hopTexts = ({ nextHops }: NetworkNode) => nextHops.map(IpAddress.format);

/** A node answers for more than it has: no packet may be refused for the way it came. */
const forwarding = `
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.ipv6.conf.all.forwarding=1
for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > "$each"; done`;

/** None of them a neighbour: then the routers know the way, or nobody does. */
async function routeTo(place: Place, cidr: Prefix, nextHops: readonly IpAddress[]): Promise<void> {
  for (const hop of nextHops) {
    if (hop.family !== cidr.address.family) continue;
    const words = ['ip', 'route', 'replace', Prefix.format(cidr), 'via', IpAddress.format(hop)];
    const { status } = await place.run([...words, 'metric', String(routeMetric)]);
    if (status === 0) return;
  }
}

function nodeSide(pod: Pod, { podCidrs }: NetworkNode, link: string): readonly string[] {
  return pod.addresses.flatMap((address, i) => {
    const cidr = podCidrs[i];
    if (cidr === undefined) return [];
    const probe = address.family === 'ipv6' ? ' nodad' : '';
    return [`addr add ${hostText(gatewayOf(cidr))} dev ${link}${probe}`, `route add ${hostText(address)} dev ${link}`];
  });
}

function podSide(pod: Pod, { podCidrs }: NetworkNode): readonly string[] {
  return pod.addresses.flatMap((address, i) => {
    const cidr = podCidrs[i];
    if (cidr === undefined) return [];
    const gateway = gatewayOf(cidr);
    const probe = address.family === 'ipv6' ? ' nodad' : '';
    return [
      `addr add ${hostText(address)} dev eth0${probe}`,
      `route add ${hostText(gateway)} dev eth0`,
      `route add default via ${IpAddress.format(gateway)} dev eth0`,
    ];
  });
}

function hostText(address: IpAddress): string {
  return `${IpAddress.format(address)}/${familyBits[address.family]}`;
}

/** As a name in DNS: no node of a topology is called so. */
function placeName({ name, namespace }: Pod): string {
  return `${name}.${namespace}`;
}

/** A node's end of the link to one of its pods. */
export function isPodLink(name: string): boolean {
  return /^pod[0-9a-f]{10}$/.test(name);
}

/** At most 15 octets, the same for the same pod. */
function linkName(pod: Pod): string {
  return `pod${createHash('sha256').update(podKey(pod)).digest('hex').slice(0, 10)}`;
}
