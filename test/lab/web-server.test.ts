/** Servers of one process in namespaces of their own: who answers where, and that its thread is back where it was. */
import { readlinkSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { runWords } from '../../src/lab/place-process.ts';
import { type PodServer, WebServers } from '../../src/lab/web-server.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { recordingLog } from '../support/recording-log.ts';

const missing = namespacesMissing();
if (missing !== undefined) console.error(`web servers are not tested: ${missing}`);

describe.skipIf(missing !== undefined)('web servers', { timeout: 60_000 }, () => {
  const net = new Net();
  const servers = new WebServers(recordingLog());
  afterAll(() => {
    servers.close();
    net.close();
  });

  const server = (namespace: Namespace, pod: string, ports: PodServer['ports']): PodServer => ({
    pod,
    node: 'n1',
    netns: `/run/netns/${namespace.name}`,
    identity: namespace.name,
    ports,
  });
  const said = async (namespace: Namespace, script: string) =>
    (await runWords(namespace.inside('bash', '-c', script), { folder: '/tmp', timeoutMs: 10_000 })).stdout.trim();
  const http = (namespace: Namespace, port: number) => said(namespace, `curl -s http://127.0.0.1:${port}/`);

  it('answer in their own namespaces on the same port, over HTTP and UDP, and go when not wanted', async () => {
    const [one, two] = [net.namespace('one'), net.namespace('two')];
    const home = readlinkSync('/proc/thread-self/ns/net');
    const first = server(one, 'default/one', [
      { protocol: 'TCP', port: 8080 },
      { protocol: 'UDP', port: 5353 },
    ]);
    await servers.serve([first, server(two, 'default/two', [{ protocol: 'TCP', port: 8080 }])]);
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home);
    expect(await http(one, 8080)).toBe('default/one on n1 to 127.0.0.1');
    expect(await http(two, 8080)).toBe('default/two on n1 to 127.0.0.1');
    const udp = 'exec 3<>/dev/udp/127.0.0.1/5353; echo hi >&3; head -n 1 <&3';
    expect(await said(one, udp)).toBe('default/one on n1 to 127.0.0.1');
    await servers.serve([first]);
    expect(await http(two, 8080)).toBe('');
    expect(await http(one, 8080)).toBe('default/one on n1 to 127.0.0.1');
  });

  it('say when a port cannot be had, and come back to their own namespace', async () => {
    const taken = net.namespace('taken');
    const port = [{ protocol: 'TCP', port: 8080 }] as const;
    const home = readlinkSync('/proc/thread-self/ns/net');
    const both = [server(taken, 'default/a', port), { ...server(taken, 'default/b', port), identity: 'other' }];
    await expect(servers.serve(both)).rejects.toThrow(/EADDRINUSE/);
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home);
  });
});
