/**
 * The lab's stand-in for kube-proxy: Services and EndpointSlices → one nftables table for one node, as text for
 * `nft -f`, replaced whole and at once. Pure. What follows kube-proxy: ClusterIPs, LoadBalancer addresses, externalIPs
 * and node ports; both traffic policies for traffic from inside and outside; pods and the node itself are inside even
 * where the policy is Local; source ranges; refusal where there are no endpoints. Client affinity is by a hash of the
 * client's address: it holds as long as the endpoints do.
 */
import { type Family, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';

const proxyTable = 'herald-lab-proxy';
/** The bit kube-proxy marks packets with that must leave with the node's own address. */
const masqueradeBit = 0x4000;
/** Any number, but always the same one: clients find the same endpoint again when the rules are written anew. */
const hashSeed = 0x68657261;

export interface RuleService {
  /** `namespace/name`. */
  readonly name: string;
  readonly clusterIPs: readonly IpAddress[];
  readonly externalIPs: readonly IpAddress[];
  readonly loadBalancerIPs: readonly IpAddress[];
  /** LoadBalancer addresses take connections from these alone; empty: from everywhere. */
  readonly sourceRanges: readonly Prefix[];
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  readonly clientAffinity: boolean;
  readonly ports: readonly RulePort[];
}

export interface RulePort {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly endpoints: readonly RuleEndpoint[];
}

/** One that takes new connections. */
export interface RuleEndpoint {
  readonly address: IpAddress;
  readonly port: number;
  readonly node: string | undefined;
}

export interface RuleNode {
  readonly name: string;
  /** Where pods are, on all nodes. */
  readonly podCidrs: readonly Prefix[];
}

/** Services are served in this order: the first one has an address and port that two of them claim. */
export function serviceRules(node: RuleNode, services: readonly RuleService[]): string {
  const rules = families.map(family => familyRules(family, node, services));
  return [
    `# Stands in for kube-proxy on ${node.name}: Services to their pods. Written by Herald's lab.`,
    `table inet ${proxyTable}`,
    `delete table inet ${proxyTable}`,
    `table inet ${proxyTable} {`,
    ...rules.flatMap(each => each.maps),
    ...rules.flatMap(each => each.chains),
    ...frame,
    '}',
    '',
  ].join('\n');
}

const families = ['ipv4', 'ipv6'] as const satisfies readonly Family[];
const words = {
  ipv4: { ip: 'ip', type: 'ipv4_addr', loopback: '127.0.0.0/8' },
  ipv6: { ip: 'ip6', type: 'ipv6_addr', loopback: '::1' },
} as const satisfies Record<Family, unknown>;

function chain(name: string, ...lines: readonly string[]): readonly string[] {
  return [`  chain ${name} {`, ...lines.map(line => `    ${line}`), '  }'];
}

const destination = (family: Family) => `${words[family].ip} daddr . meta l4proto . th dport`;
const lookups = families.flatMap(family => {
  const { ip, loopback } = words[family];
  return [
    `${destination(family)} vmap @${family}-services`,
    `${ip} daddr != ${loopback} fib daddr type local meta l4proto . th dport vmap @${family}-node-ports`,
  ];
});
const refusals = families.map(family => `${destination(family)} vmap @${family}-no-endpoints`);

/** What does not depend on what there is. */
const frame = [
  ...chain('services', ...lookups),
  ...chain('prerouting', 'type nat hook prerouting priority -100; policy accept;', 'jump services'),
  ...chain('output', 'type nat hook output priority -100; policy accept;', 'jump services'),
  ...chain(
    'postrouting',
    'type nat hook postrouting priority 100; policy accept;',
    `meta mark & ${masqueradeBit} == ${masqueradeBit} masquerade`,
  ),
  ...chain('refuse', 'reject'),
  ...['input', 'forward', 'output'].flatMap(hook =>
    chain(`filter-${hook}`, `type filter hook ${hook} priority -110; policy accept;`, ...refusals),
  ),
];

interface FamilyRules {
  readonly maps: readonly string[];
  readonly chains: readonly string[];
}

function familyRules(family: Family, node: RuleNode, services: readonly RuleService[]): FamilyRules {
  const addressed = new Map<string, string>();
  const nodePorts = new Map<string, string>();
  const refused = new Map<string, string>();
  const chains: string[] = [];
  const add = (map: Map<string, string>, key: string, verdict: string) => {
    if (!map.has(key)) map.set(key, verdict);
  };
  for (const service of services) {
    for (const port of service.ports) {
      const way = waysTo(family, node, service, port);
      const proto = port.protocol.toLowerCase();
      const to = (address: IpAddress) => `${IpAddress.format(address)} . ${proto} . ${port.port}`;
      const isOurs = (address: IpAddress) => address.family === family;
      const outside = [...service.loadBalancerIPs, ...service.externalIPs].filter(isOurs);
      const clusterIPs = service.clusterIPs.filter(isOurs);
      if (way === undefined) {
        for (const address of [...clusterIPs, ...outside]) add(refused, to(address), 'goto refuse');
        continue;
      }
      chains.push(...way.chains);
      for (const address of clusterIPs) add(addressed, to(address), `goto ${way.internal}`);
      for (const address of service.loadBalancerIPs.filter(isOurs))
        add(addressed, to(address), `goto ${way.loadBalancer}`);
      for (const address of outside) add(addressed, to(address), `goto ${way.external}`);
      if (port.nodePort !== undefined) add(nodePorts, `${proto} . ${port.nodePort}`, `goto ${way.external}`);
    }
  }
  const { type } = words[family];
  const key = `${type} . inet_proto . inet_service`;
  const maps = [
    ...map(`${family}-services`, key, addressed),
    ...map(`${family}-node-ports`, 'inet_proto . inet_service', nodePorts),
    ...map(`${family}-no-endpoints`, key, refused),
  ];
  return { maps, chains };
}

function map(name: string, key: string, elements: ReadonlyMap<string, string>): readonly string[] {
  const rows = [...elements].map(([from, verdict]) => `      ${from} : ${verdict},`);
  return [
    `  map ${name} {`,
    `    type ${key} : verdict`,
    ...(rows.length === 0 ? [] : ['    elements = {', ...rows, '    }']),
    '  }',
  ];
}

interface Ways extends Pick<FamilyRules, 'chains'> {
  /** Names of the chains that a packet enters by. */
  readonly internal: string;
  readonly external: string;
  readonly loadBalancer: string;
}

/** The chains of one port; undefined when it has no endpoints at all. */
function waysTo(family: Family, node: RuleNode, service: RuleService, port: RulePort): Ways | undefined {
  const endpoints = port.endpoints.filter(each => each.address.family === family);
  if (endpoints.length === 0) return undefined;
  const { ip } = words[family];
  const id = `${service.name}/${port.protocol.toLowerCase()}-${port.port}/${family}`;
  const chains: string[] = [];
  const named = (name: string, ...lines: readonly string[]) => {
    chains.push(...chain(`${name}-${id}`, ...lines));
    return `${name}-${id}`;
  };
  const targets = endpoints.map((endpoint, i) => ({
    isLocal: endpoint.node === node.name,
    chain: named(`to-${i + 1}`, ...towards(family, port.protocol, endpoint)),
  }));
  const spread = (some: readonly { readonly chain: string }[]) => spreadOver(family, service.clientAffinity, some);
  const any = named('any', spread(targets));
  const locals = targets.filter(each => each.isLocal);
  const local = () => named('local', locals.length === 0 ? 'drop' : spread(locals));
  const pods = node.podCidrs.filter(each => each.address.family === family).map(Prefix.format);
  const fromPods = pods.length === 0 ? undefined : `${ip} saddr { ${pods.join(', ')} }`;
  const fromOthers = pods.length === 0 ? '' : `${ip} saddr != { ${pods.join(', ')} } `;
  const here = [service.internalTrafficPolicy, service.externalTrafficPolicy].includes('Local') ? local() : any;
  const internal = named(
    'internal',
    `${fromOthers}${mark}`,
    `goto ${service.internalTrafficPolicy === 'Local' ? here : any}`,
  );
  const isInside = [...(fromPods ? [`${fromPods} goto ${any}`] : []), `fib saddr type local ${mark} goto ${any}`];
  const external =
    service.externalTrafficPolicy === 'Local'
      ? named('external', ...isInside, `goto ${here}`)
      : named('external', mark, `goto ${any}`);
  const ranges = service.sourceRanges.filter(each => each.address.family === family).map(Prefix.format);
  const loadBalancer =
    ranges.length === 0
      ? external
      : named('load-balancer', `${ip} saddr != { ${ranges.join(', ')} } drop`, `goto ${external}`);
  return { internal, external, loadBalancer, chains };
}

const mark = `meta mark set meta mark | ${masqueradeBit}`;

/** A pod that reaches itself by way of a Service must not see its own address as the sender's. */
function towards(family: Family, protocol: RulePort['protocol'], { address, port }: RuleEndpoint): readonly string[] {
  const { ip } = words[family];
  const text = IpAddress.format(address);
  const target = family === 'ipv4' ? `${text}:${port}` : `[${text}]:${port}`;
  return [`${ip} saddr ${text} ${mark}`, `meta l4proto ${protocol.toLowerCase()} dnat ${ip} to ${target}`];
}

function spreadOver(family: Family, clientAffinity: boolean, targets: readonly { readonly chain: string }[]): string {
  const [first] = targets;
  if (first !== undefined && targets.length === 1) return `goto ${first.chain}`;
  const choice = clientAffinity
    ? `jhash ${words[family].ip} saddr mod ${targets.length} seed ${hashSeed}`
    : `numgen random mod ${targets.length}`;
  return `${choice} vmap { ${targets.map((each, i) => `${i} : goto ${each.chain}`).join(', ')} }`;
}
