/** The speaker's file: what it means, and every refusal with the field it names (V1–V5, V8, V10, V14). */
import { describe, expect, it } from 'vitest';
import { readPrefixList, readSpeakerFile } from '../../src/api/speaker-file.ts';
import { parseYaml } from '../../src/directory/yaml.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

function read(text: string) {
  return readSpeakerFile(parseYaml(text));
}

function good(text: string) {
  const { file, faults } = read(text);
  if (file === undefined) throw new Error(JSON.stringify(faults));
  return file;
}

/** A file with one peer that has these lines. */
function withPeer(lines: string): string {
  return `asn: 65000\nrouterId: 10.0.0.1\npeers:\n  - ${lines.split('\n').join('\n    ')}\n`;
}

function peerOf(lines: string) {
  const [peer] = good(withPeer(lines)).config.peers;
  if (peer === undefined) throw new Error('no peer');
  return peer;
}

describe('the speaker file', () => {
  it('reads the example of the manual', () => {
    const { config, originate } = good(`
asn: 65000
routerId: 10.0.0.1
listen: [{ address: 10.0.0.1, port: 179 }]
peers:
  - address: 10.0.0.2
    asn: 65001
    passive: true
    timers: { holdSeconds: 90, keepaliveSeconds: 30, connectRetrySeconds: 5 }
    import: all
    export: all
originate:
  - prefixes: [192.0.2.0/24, "2001:db8::/48"]
  - file: networks.txt
`);
    expect(config.asn).toBe(65000);
    expect(config.routerId).toBe(0x0a00_0001);
    expect(config.listen).toEqual([{ address: IpAddress.parse('10.0.0.1'), port: 179 }]);
    expect(config.peers).toHaveLength(1);
    expect(config.peers[0]).toMatchObject({
      key: '10.0.0.2',
      asn: 65001,
      transport: { port: 179, passive: true },
      timers: { holdMs: 90_000, keepaliveMs: 30_000, connectRetryMs: 5_000 },
      import: { otherwise: 'accept' },
      export: { otherwise: 'accept' },
    });
    expect(originate.map(each => each.source)).toEqual([
      { prefixes: [Prefix.parse('192.0.2.0/24'), Prefix.parse('2001:db8::/48')] },
      { file: 'networks.txt' },
    ]);
  });

  it('imports nothing and exports only what it originates unless told otherwise', () => {
    const peer = peerOf('address: 10.0.0.2\nasn: 65001');
    expect(peer.import).toEqual({ statements: [], otherwise: 'reject' });
    expect(peer.export).toEqual({
      statements: [{ match: { source: 'originated' }, action: 'accept' }],
      otherwise: 'reject',
    });
  });

  it.each([
    ['V2 neither', '', 90, 30],
    ['V2 only hold: keepalive is a third', 'holdSeconds: 9', 9, 3],
    ['V2 only keepalive: hold is three times', 'keepaliveSeconds: 7', 21, 7],
    ['V1 hold 0: no keepalives', 'holdSeconds: 0', 0, 0],
    ['V1 hold 3', 'holdSeconds: 3', 3, 1],
  ])('timers, %s', (_, timers, hold, keepalive) => {
    const peer = peerOf(`address: 10.0.0.2\nasn: 65001\ntimers: { ${timers} }`);
    expect(peer.timers).toMatchObject({ holdMs: hold * 1000, keepaliveMs: keepalive * 1000 });
  });

  it.each([
    ['asn: 0', 'any'],
    ['asn: any', 'any'],
    ['asn: internal', 'internal'],
    ['asn: external', 'external'],
    ['asn: 4200000000', 4_200_000_000],
  ])('the AS of a peer: %s', (line, asn) => {
    expect(peerOf(`address: 10.0.0.2\n${line}`).asn).toBe(asn);
  });

  it.each([
    ['address: "fe80::2%eth0"', { kind: 'address', zone: 'eth0' }, 'fe80::2%eth0'],
    ['address: fe80::2\ndevice: eth0', { kind: 'address', zone: 'eth0' }, 'fe80::2%eth0'],
    ['interface: eth1', { kind: 'interface', interface: 'eth1' }, 'eth1'],
    ['range: 10.1.0.0/16\nlimit: 7', { kind: 'range', limit: 7 }, '10.1.0.0/16'],
    ['name: tor\naddress: 10.0.0.2', { kind: 'address' }, 'tor'],
  ])('who the peer is: %s', (lines, remote, key) => {
    const peer = peerOf(`${lines}\nasn: 65001`);
    expect(peer.remote).toMatchObject(remote);
    expect(peer.key).toBe(key);
  });

  it('offers IPv4 over IPv6 next hops where the peer has no address (RFC 8950), and elsewhere only when asked', () => {
    expect(peerOf('interface: eth1\nasn: external').capabilities.extendedNextHop).toBe(true);
    expect(peerOf('address: 10.0.0.2\nasn: 65001').capabilities.extendedNextHop).toBe(false);
  });

  it('lets a peer override its group field by field', () => {
    const { config } = good(`
asn: 65000
routerId: 10.0.0.1
policies:
  customers: [{ match: { prefixes: ["10.0.0.0/8 ge 16 le 24"] }, set: { localPref: 200, communities: [65000:1] } }]
groups:
  fabric: { asn: 65001, password: secret, timers: { holdSeconds: 9, connectRetrySeconds: 1 }, import: customers }
peers:
  - { address: 10.0.0.2, group: fabric }
  - { address: 10.0.0.3, group: fabric, asn: 65002, timers: { holdSeconds: 30 }, import: none }
`);
    const [one, two] = config.peers;
    expect(one).toMatchObject({
      asn: 65001,
      transport: { password: 'secret' },
      timers: { holdMs: 9000, connectRetryMs: 1000 },
    });
    expect(one?.import.statements[0]).toMatchObject({
      match: { prefixes: [{ prefix: Prefix.parse('10.0.0.0/8'), ge: 16, le: 24 }] },
      set: { localPref: 200, communities: { add: [65000 * 65536 + 1] } },
      action: 'accept',
    });
    expect(two).toMatchObject({
      asn: 65002,
      timers: { holdMs: 30_000, connectRetryMs: 1000 },
      import: { statements: [] },
    });
  });
});

describe('refusals name the field', () => {
  const peer = 'address: 10.0.0.2\nasn: 65001';
  it.each([
    ['V3 no AS of our own', 'routerId: 10.0.0.1', 'asn', 'must be a whole number'],
    ['V3 AS 0', 'asn: 0\nrouterId: 10.0.0.1', 'asn', 'from 1 to'],
    ['V3 AS above 2^32 - 1', 'asn: 4294967296\nrouterId: 10.0.0.1', 'asn', 'from 1 to'],
    ['V5 router ID that is IPv6', 'asn: 65000\nrouterId: "::1"', 'routerId', 'BGP identifier'],
    ['V5 router ID zero', 'asn: 65000\nrouterId: 0.0.0.0', 'routerId', 'BGP identifier'],
    ['V3 peer without AS', withPeer('address: 10.0.0.2'), 'peers[0].asn', 'is missing'],
    ['V3 peer AS not numeric', withPeer('address: 10.0.0.2\nasn: many'), 'peers[0].asn', 'must be one of'],
    ['V1 hold 1', withPeer(`${peer}\ntimers: { holdSeconds: 1 }`), 'peers[0].timers.holdSeconds', 'at least 3'],
    ['V1 hold 2', withPeer(`${peer}\ntimers: { holdSeconds: 2 }`), 'peers[0].timers.holdSeconds', 'at least 3'],
    [
      'V1 keepalive above hold',
      withPeer(`${peer}\ntimers: { holdSeconds: 9, keepaliveSeconds: 10 }`),
      'peers[0].timers.keepaliveSeconds',
      'above the hold time',
    ],
    ['V4 address and interface', withPeer(`${peer}\ninterface: eth0`), 'peers[0].address', 'exactly one'],
    ['V4 neither', withPeer('asn: 65001'), 'peers[0].address', 'exactly one'],
    [
      'V5 the same address twice',
      `${withPeer(peer)}  - { name: other, address: 10.0.0.2, asn: 65002 }\n`,
      'peers[1]',
      'there already',
    ],
    [
      'V5 the same name twice',
      `${withPeer(`name: a\n${peer}`)}  - { name: a, address: 10.0.0.3, asn: 65002 }\n`,
      'peers[1]',
      'there already',
    ],
    [
      'V8 community out of range',
      'asn: 1\nrouterId: 1.1.1.1\noriginate: [{ prefixes: [192.0.2.0/24], communities: ["99999999:1"] }]',
      'originate[0].communities[0]',
      'not a community',
    ],
    [
      'V8 large community misspelt',
      'asn: 1\nrouterId: 1.1.1.1\noriginate: [{ prefixes: [192.0.2.0/24], largeCommunities: ["lar:1:2"] }]',
      'originate[0].largeCommunities[0]',
      'not a large community',
    ],
    [
      'V15 host bits',
      'asn: 1\nrouterId: 1.1.1.1\noriginate: [{ prefixes: [192.0.2.1/24] }]',
      'originate[0].prefixes[0]',
      'without host bits',
    ],
    ['unknown policy', withPeer(`${peer}\nimport: nothing-like-this`), 'peers[0].import', 'no policy'],
    ['unknown group', withPeer(`${peer}\ngroup: nowhere`), 'peers[0].group', 'no group'],
    ['unknown field', withPeer(`${peer}\npasive: true`), 'peers[0].pasive', 'no such field'],
    [
      'unknown peer of an announcement',
      'asn: 1\nrouterId: 1.1.1.1\noriginate: [{ prefixes: [192.0.2.0/24], peers: [x] }]',
      'originate[0].peers[0]',
      'no peer',
    ],
    ['GTSM and TTL', withPeer(`${peer}\nttl: 5\nttlSecurityHops: 1`), 'peers[0].ttl', 'excludes'],
    ['MD5 key of 81 octets', withPeer(`${peer}\npassword: ${'x'.repeat(81)}`), 'peers[0].password', 'at most 80'],
    [
      'reflector client that is external',
      withPeer(`${peer}\nrouteReflectorClient: true`),
      'peers[0].routeReflectorClient',
      'internal peers',
    ],
    ['link-local without its link', withPeer('address: fe80::2\nasn: 65001'), 'peers[0].address', 'needs its link'],
    [
      'prefix bounds the wrong way round',
      withPeer(`${peer}\nimport: [{ match: { prefixes: ["10.0.0.0/8 ge 24 le 16"] } }]`),
      'peers[0].import[0].match.prefixes[0]',
      'with bounds',
    ],
    ['not a mapping', '- 1', '', 'must be a mapping'],
  ])('%s', (_, text, path, message) => {
    const { faults } = read(text);
    expect(faults?.map(fault => fault.path)).toContain(path);
    expect(faults?.find(fault => fault.path === path)?.message).toContain(message);
  });
});

describe('prefix lists', () => {
  it('reads a prefix a line, blank lines and comments aside, and says which line is wrong', () => {
    expect(readPrefixList('192.0.2.0/24\n\n# ours\n2001:db8::/48 # v6\n').prefixes.map(Prefix.format)).toEqual([
      '192.0.2.0/24',
      '2001:db8::/48',
    ]);
    expect(readPrefixList('192.0.2.0/24\nnonsense\n').faults).toEqual([
      { path: 'line 2', message: "'nonsense' is not a prefix without host bits, such as 192.0.2.0/24" },
    ]);
  });
});
