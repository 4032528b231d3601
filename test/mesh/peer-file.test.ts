/** Files of other clusters, in Cilium's format. Reference §2.1. */
import { describe, expect, it } from 'vitest';
import { parseYaml } from '../../src/directory/yaml.ts';
import { PeerFile } from '../../src/mesh/peer-file.ts';

const text = `endpoints:
- https://cluster2.mesh.cilium.io:32379
trusted-ca-file: /var/lib/cilium/clustermesh/common-etcd-client-ca.crt
key-file: /var/lib/cilium/clustermesh/common-etcd-client.key
cert-file: /var/lib/cilium/clustermesh/common-etcd-client.crt
cilium-host-aliases:
- hostname: cluster2.mesh.cilium.io
  ips: [172.18.0.4]
`;

describe('a peer’s file', () => {
  it('is read to its values, and what is written is read to the same', () => {
    const file = PeerFile.read(parseYaml(text));
    expect(file).toMatchObject({
      endpoints: ['https://cluster2.mesh.cilium.io:32379'],
      certFile: '/var/lib/cilium/clustermesh/common-etcd-client.crt',
      hostAliases: new Map([['cluster2.mesh.cilium.io', ['172.18.0.4']]]),
    });
    if (typeof file === 'string') throw new Error(file);
    expect(PeerFile.isOne(PeerFile.write(file))).toBe(true);
    expect(PeerFile.read(parseYaml(PeerFile.write(file)))).toEqual(file);
  });

  it.each([
    ['3', 'it is no mapping'],
    ['endpoints: []', 'endpoints is no list'],
    ['endpoints: [https://a:1, 3]', 'endpoints is no list'],
    ['endpoints: [ftp://a]', 'is no URL'],
    ['endpoints: ["https://a b:2379"]', 'is no URL'],
    ['{endpoints: ["https://a:1"], cert-file: x}', 'go together'],
    ['{endpoints: ["https://a:1"], trusted-ca-file: [x]}', 'trusted-ca-file is no text'],
    ['{endpoints: ["https://a:1"], cilium-host-aliases: {a: b}}', 'is no list'],
    ['{endpoints: ["https://a:1"], cilium-host-aliases: [{ips: [10.0.0.1]}]}', 'without a hostname'],
    ['{endpoints: ["https://a:1"], cilium-host-aliases: [{hostname: a, ips: []}]}', 'no list of addresses'],
    ['{endpoints: ["https://a:1"], cilium-host-aliases: [{hostname: a, ips: [x]}]}', 'no list of addresses'],
    [
      '{endpoints: ["https://a:1"], cilium-host-aliases: [{hostname: a, ips: ["::1"]}, {hostname: a, ips: ["::1"]}]}',
      'twice',
    ],
  ])('%s is refused: %s', (broken, why) => expect(PeerFile.read(parseYaml(broken))).toContain(why));
});
