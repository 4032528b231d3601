import { describe, expect, it } from 'vitest';
import type { PeerConfig } from '../../src/bgp/config.ts';
import { Network, type Node } from '../sim/bgp-network.ts';
import { ip, peerConfig, prefix, speakerConfig } from './world.ts';

/** Two routers, 10.0.0.1 in AS 65001 and 10.0.0.2 in AS 65002, that know each other. */
function pairOf(a: Partial<PeerConfig> = {}, b: Partial<PeerConfig> = {}): { net: Network; a: Node; b: Node } {
  const net = new Network({ seed: 7 });
  const left = net.add('a', ip('10.0.0.1'));
  const right = net.add('b', ip('10.0.0.2'));
  net.configure(left, speakerConfig(65001, '10.0.0.1', peerConfig('b', '10.0.0.2', a)));
  net.configure(right, speakerConfig(65002, '10.0.0.2', peerConfig('a', '10.0.0.1', b)));
  return { net, a: left, b: right };
}

const passive = { transport: { port: 179, passive: true } };

describe('two peers', () => {
  it.each([
    ['both call (W9)', {}, {}],
    ['only a calls', {}, passive],
    ['only b calls', passive, {}],
  ])('%s: one session', (_title, left, right) => {
    const { net, a, b } = pairOf(left, right);
    net.run(1_000);
    expect(net.status(a, 'b').state).toBe('established');
    expect(net.status(b, 'a').state).toBe('established');
    expect(net.links).toHaveLength(1);
  });

  it('tell each other what they announce', () => {
    const { net, a, b } = pairOf();
    net.run(1_000);
    net.announce(a, [{ prefix: prefix('192.0.2.0/24') }, { prefix: prefix('2001:db8::/32') }]);
    net.run(1_000);
    const told = (family: 'ipv4-unicast' | 'ipv6-unicast') => [...(b.speaker.rib?.loc(family) ?? [])];
    expect(told('ipv4-unicast')).toMatchObject([{ prefix: prefix('192.0.2.0/24'), best: true }]);
    expect(told('ipv6-unicast')).toMatchObject([{ prefix: prefix('2001:db8::/32'), best: true }]);
  });
});
