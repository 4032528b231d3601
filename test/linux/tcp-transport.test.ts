/**
 * The kernel's TCP as the speaker sees it, on loopback: both ways, back-pressure, ends, and what goes wrong in words.
 */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { TransportConfig } from '../../src/bgp/config.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { TcpTransport } from '../../src/linux/tcp-transport.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Stream, StreamHandler } from '../../src/runtime/transport.ts';
import { eventually } from '../support/wait.ts';

const libc = await loadLibc();
const open: TcpTransport[] = [];
afterEach(() => {
  for (const transport of open.splice(0)) transport.close();
});

const transportDefaults: TransportConfig = { port: 179, passive: false };
const outgoing = { transport: transportDefaults, ttl: 1, timeoutMs: 5000 };

function make(): TcpTransport {
  const made = new TcpTransport(libc, systemClock);
  open.push(made);
  return made;
}

class Recorder implements StreamHandler {
  octets = 0;
  text = '';
  drains = 0;
  end: string | undefined;
  data(bytes: Uint8Array): void {
    this.octets += bytes.length;
    if (this.octets < 1000) this.text += Buffer.from(bytes).toString('latin1');
  }
  drained(): void {
    this.drains++;
  }
  closed(detail: string): void {
    this.end = detail;
  }
}

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** Two ends of a connection on loopback. */
async function pair(host: string, port: number) {
  const transport = make();
  const [client, server] = [new Recorder(), new Recorder()];
  let accepted: Stream | undefined;
  let connected: Stream | undefined;
  const faults = await transport.listen([{ address: address(host), port }], [], stream => {
    accepted = stream;
    return server;
  });
  expect(faults).toEqual([]);
  transport.connect(
    { ...outgoing, remote: { address: address(host), port } },
    {
      connected(stream) {
        connected = stream;
        return client;
      },
      failed: detail => expect.fail(detail),
    },
  );
  const streams = await eventually('both ends stand', () => accepted && connected && { accepted, connected });
  return { transport, client, server, ...streams };
}

describe('TcpTransport', () => {
  it.each([
    ['127.0.0.1', 20179],
    ['::1', 20180],
  ])('carries octets both ways over %s and knows both ends', async (host, port) => {
    const { client, server, accepted, connected } = await pair(host, port);
    expect(accepted.local.port).toBe(port);
    expect(accepted.remote.port).toBe(connected.local.port);
    expect(IpAddress.format(connected.remote.address)).toBe(host);
    expect(connected.write(Buffer.from('to the server'))).toBe(true);
    expect(accepted.write(Buffer.from('to the client'))).toBe(true);
    await eventually('the server heard', () => server.text === 'to the server');
    await eventually('the client heard', () => client.text === 'to the client');
    connected.finish(Buffer.from(', bye'));
    await eventually('the server saw the end', () => server.end !== undefined);
    expect(server.text).toBe('to the server, bye');
    expect(client.end).toBeUndefined();
  });

  it('says when the kernel takes no more, and when it does again', async () => {
    const { client, server, accepted, connected } = await pair('127.0.0.1', 20181);
    accepted.pause();
    let written = 0;
    let full = false;
    while (!full && written < 2 ** 28) {
      full = !connected.write(new Uint8Array(65_536));
      written += 65_536;
    }
    expect(full).toBe(true);
    expect(client.drains).toBe(0);
    accepted.resume();
    await eventually('drained', () => client.drains === 1);
    await eventually('all of it arrived', () => server.octets === written);
    connected.finish(undefined);
    accepted.finish(undefined);
  });

  it('keeps the options of a prepared socket through connect (RFC 5082 §3: TTL 255 only)', async () => {
    const before = counter('TCPMinTTLDrop');
    const transport = make();
    const ends = [new Recorder(), new Recorder()];
    await transport.listen([{ address: address('127.0.0.1'), port: 20182 }], [], stream => {
      // A listener sends with TTL 255 until it knows its peer; now it sends with less, and is heard no more.
      stream.write(Buffer.from('heard'));
      stream.adopt(transportDefaults, 254);
      stream.write(Buffer.from('not heard'));
      return ends[0] as Recorder;
    });
    const gtsm = { ...outgoing, transport: { ...transportDefaults, ttlSecurityHops: 1 }, ttl: 255 };
    transport.connect(
      { ...gtsm, remote: { address: address('127.0.0.1'), port: 20182 } },
      {
        connected: () => ends[1] as Recorder,
        failed: detail => expect.fail(detail),
      },
    );
    await eventually('the first octets arrive', () => ends[1]?.text === 'heard');
    await eventually('the kernel drops the rest', () => counter('TCPMinTTLDrop') > before);
    expect(ends[1]?.text).toBe('heard');
  });

  it('says in words that nobody listens', async () => {
    const failure = await new Promise<string>(resolve => {
      make().connect(
        { ...outgoing, remote: { address: address('127.0.0.1'), port: 20183 } },
        {
          connected: () => expect.fail('nobody listens'),
          failed: resolve,
        },
      );
    });
    expect(failure).toBe('127.0.0.1 port 20183: connection refused');
  });

  it('says which listener could not be had, keeps the others, and tries it again when asked again', async () => {
    const [first, second] = [make(), make()];
    const one = { address: address('127.0.0.1'), port: 20184 };
    const two = { address: address('127.0.0.1'), port: 20185 };
    const accept = () => new Recorder();
    expect(await first.listen([one], [], accept)).toEqual([]);
    const faults = await second.listen([one, two], [], accept);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^listening on 127\.0\.0\.1:20184: .*EADDRINUSE/);
    await first.listen([], [], accept);
    expect(await second.listen([one, two], [], accept)).toEqual([]);
  });

  it('gives an attempt up without a word', async () => {
    const transport = make();
    const abort = transport.connect(
      { ...outgoing, remote: { address: address('192.0.2.1'), port: 179 } },
      {
        connected: () => expect.fail('given up'),
        failed: () => expect.fail('given up'),
      },
    );
    abort();
    // A later attempt's answer comes after anything the first could still have said.
    await new Promise<void>(resolve => {
      transport.connect(
        { ...outgoing, remote: { address: address('127.0.0.1'), port: 20186 } },
        {
          connected: () => expect.fail('nobody listens'),
          failed: () => resolve(),
        },
      );
    });
  });
});

function counter(name: string): number {
  const [names, values] = readFileSync('/proc/net/netstat', 'latin1')
    .split('\n')
    .filter(line => line.startsWith('TcpExt:'))
    .map(line => line.split(' '));
  return Number(values?.[names?.indexOf(name) ?? -1] ?? 0);
}
