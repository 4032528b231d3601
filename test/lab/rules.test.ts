/** The stand-in for kube-proxy, as text: which way a packet takes, by address, policy and where it comes from. */
import { describe, expect, it } from 'vitest';
import { type RuleEndpoint, type RuleService, serviceRules } from '../../src/lab/service-rules.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

const ip = (text: string) => IpAddress.parse(text) ?? expect.unreachable(text);
const prefix = (text: string) => Prefix.parse(text) ?? expect.unreachable(text);

const node = { name: 'n1', podCidrs: [prefix('10.1.0.0/24'), prefix('10.1.1.0/24'), prefix('fd00:1::/64')] };
const here: RuleEndpoint = { address: ip('10.1.0.2'), port: 8080, node: 'n1' };
const there: RuleEndpoint = { address: ip('10.1.1.2'), port: 8080, node: 'n2' };
const ipv6: RuleEndpoint = { address: ip('fd00:1::2'), port: 8080, node: 'n2' };

function service(
  more: Partial<RuleService>,
  endpoints: readonly RuleEndpoint[] = [here, there],
  nodePort?: number,
): RuleService {
  return {
    name: 'default/web',
    clusterIPs: [],
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    clientAffinity: false,
    ports: [{ protocol: 'TCP', port: 80, nodePort, endpoints }],
    ...more,
  };
}

/** The lines of a chain or a map, without hooks. */
function part(text: string, kind: 'chain' | 'map', name: string): readonly string[] {
  const lines = text.split('\n');
  const start = lines.indexOf(`  ${kind} ${name} {`);
  const found = start < 0 ? [] : lines.slice(start + 1, lines.indexOf('  }', start));
  return found.map(line => line.trim()).filter(line => !/^(type|elements|\})/.test(line));
}

const web = 'default/web/tcp-80/ipv4';
const toLocal = `fib saddr type local meta mark set meta mark | 16384 goto any-${web}`;

/** [what it shows, Service, chain or map, its lines] */
const table: readonly [string, RuleService, 'chain' | 'map', string, readonly string[]][] = [
  [
    'ClusterIP: other senders than pods leave with the node’s address',
    service({ clusterIPs: [ip('10.96.0.1')] }),
    'chain',
    `internal-${web}`,
    ['ip saddr != { 10.1.0.0/24, 10.1.1.0/24 } meta mark set meta mark | 16384', `goto any-${web}`],
  ],
  [
    'internalTrafficPolicy Local: pods of this node alone',
    service({ internalTrafficPolicy: 'Local' }),
    'chain',
    `internal-${web}`,
    ['ip saddr != { 10.1.0.0/24, 10.1.1.0/24 } meta mark set meta mark | 16384', `goto local-${web}`],
  ],
  [
    'externalTrafficPolicy Cluster: any pod, and the answer comes back this way',
    service({}),
    'chain',
    `external-${web}`,
    ['meta mark set meta mark | 16384', `goto any-${web}`],
  ],
  [
    'externalTrafficPolicy Local: senders of the cluster go anywhere, all others keep their address',
    service({ externalTrafficPolicy: 'Local' }),
    'chain',
    `external-${web}`,
    [`ip saddr { 10.1.0.0/24, 10.1.1.0/24 } goto any-${web}`, toLocal, `goto local-${web}`],
  ],
  [
    'externalTrafficPolicy Local, a pod here',
    service({ externalTrafficPolicy: 'Local' }),
    'chain',
    `local-${web}`,
    [`goto to-1-${web}`],
  ],
  [
    'externalTrafficPolicy Local, no pod here',
    service({ externalTrafficPolicy: 'Local' }, [there]),
    'chain',
    `local-${web}`,
    ['drop'],
  ],
  [
    'endpoints by chance',
    service({}),
    'chain',
    `any-${web}`,
    [`numgen random mod 2 vmap { 0 : goto to-1-${web}, 1 : goto to-2-${web} }`],
  ],
  [
    'endpoints by client',
    service({ clientAffinity: true }),
    'chain',
    `any-${web}`,
    [`jhash ip saddr mod 2 seed 1751478881 vmap { 0 : goto to-1-${web}, 1 : goto to-2-${web} }`],
  ],
  [
    'an endpoint; a pod that reaches itself sees the node',
    service({}),
    'chain',
    `to-2-${web}`,
    ['ip saddr 10.1.1.2 meta mark set meta mark | 16384', 'meta l4proto tcp dnat ip to 10.1.1.2:8080'],
  ],
  [
    'an IPv6 endpoint',
    service({}, [here, ipv6]),
    'chain',
    'to-1-default/web/tcp-80/ipv6',
    ['ip6 saddr fd00:1::2 meta mark set meta mark | 16384', 'meta l4proto tcp dnat ip6 to [fd00:1::2]:8080'],
  ],
  [
    'every kind of address has its way',
    service({ clusterIPs: [ip('10.96.0.1')], externalIPs: [ip('5.5.5.5')], loadBalancerIPs: [ip('192.0.2.1')] }),
    'map',
    'ipv4-services',
    [
      `10.96.0.1 . tcp . 80 : goto internal-${web},`,
      `192.0.2.1 . tcp . 80 : goto external-${web},`,
      `5.5.5.5 . tcp . 80 : goto external-${web},`,
    ],
  ],
  [
    'source ranges hold for LoadBalancer addresses',
    service({ loadBalancerIPs: [ip('192.0.2.1')], sourceRanges: [prefix('10.0.0.0/8'), prefix('fd00::/8')] }),
    'chain',
    `load-balancer-${web}`,
    ['ip saddr != { 10.0.0.0/8 } drop', `goto external-${web}`],
  ],
  ['node ports', service({}, [here], 30080), 'map', 'ipv4-node-ports', [`tcp . 30080 : goto external-${web},`]],
  [
    'no endpoints: refused',
    service({ clusterIPs: [ip('10.96.0.1')], loadBalancerIPs: [ip('192.0.2.1')] }, []),
    'map',
    'ipv4-no-endpoints',
    ['10.96.0.1 . tcp . 80 : goto refuse,', '192.0.2.1 . tcp . 80 : goto refuse,'],
  ],
  [
    'no endpoints of that family: refused',
    service({ clusterIPs: [ip('10.96.0.1'), ip('fd00:96::1')] }, [here]),
    'map',
    'ipv6-no-endpoints',
    ['fd00:96::1 . tcp . 80 : goto refuse,'],
  ],
];

describe('service rules', () => {
  it.each(table)('%s', (_, given, kind, name, lines) => {
    expect(part(serviceRules(node, [given]), kind, name)).toEqual(lines);
  });

  it('gives an address and port that two Services claim to the first', () => {
    const one = service({ name: 'a/one', externalIPs: [ip('5.5.5.5')] });
    const two = service({ name: 'a/two', externalIPs: [ip('5.5.5.5')] });
    expect(part(serviceRules(node, [one, two]), 'map', 'ipv4-services')).toEqual([
      '5.5.5.5 . tcp . 80 : goto external-a/one/tcp-80/ipv4,',
    ]);
  });

  it('replaces the whole table at once', () => {
    const [, ...lines] = serviceRules(node, []).split('\n');
    expect(lines.slice(0, 3)).toEqual([
      'table inet herald-lab-proxy',
      'delete table inet herald-lab-proxy',
      'table inet herald-lab-proxy {',
    ]);
  });
});
