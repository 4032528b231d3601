/**
 * `herald speaker` and `herald bgp …` as a person uses them: two speakers on loopback, a file edited while they run.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PeerJson, RouteJson, SummaryJson } from '../../src/runtime/speaker-views.ts';
import { herald, type Running, startHerald } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

const [ONE, TWO] = ['127.0.31.1', '127.0.31.2'] as const;
const PORT = 31_179;

let folder = '';
const running: Running[] = [];
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/herald-speaker-`);
});
afterEach(async () => {
  for (const each of running.splice(0)) {
    each.child.kill('SIGKILL');
    await each.finished;
  }
  rmSync(folder, { recursive: true });
});

const socketOf = (name: string) => `${folder}/${name}.sock`;

function start(name: string, text: string): Running {
  write(name, text);
  const started = startHerald(['speaker', '--config', `${folder}/${name}.yaml`, '--socket', socketOf(name)]);
  running.push(started);
  return started;
}

function write(name: string, text: string): void {
  writeFileSync(`${folder}/${name}.yaml`, text);
}

async function asJson<T>(name: string, ...words: string[]): Promise<T> {
  const { out, err, status } = await herald('bgp', ...words, '--socket', socketOf(name), '-o', 'json');
  if (status !== 0) throw new Error(err);
  return JSON.parse(out);
}

function listening(
  extra = '',
  originated = 'originate: [{ file: networks.txt, nextHop: 203.0.113.1, communities: [65000:1] }]',
): string {
  return `
asn: 65000
routerId: ${ONE}
listen: [{ address: ${ONE}, port: ${PORT} }]
peers:
  - { address: ${TWO}, asn: 65001, passive: true, import: all, export: all, timers: { holdSeconds: 9 } }
${extra}
${originated}
`;
}

const calling = `
asn: 65001
routerId: ${TWO}
policies:
  prefer: [{ match: { prefixes: ["192.0.2.0/24 le 32"] }, set: { localPref: 200 } }]
peers:
  - { address: ${ONE}, asn: 65000, port: ${PORT}, source: ${TWO}, import: prefer, timers: { connectRetrySeconds: 1 } }
originate:
  - { prefixes: [198.51.100.0/24], nextHop: 203.0.113.2 }
`;

async function startBoth(): Promise<{ one: Running; two: Running }> {
  writeFileSync(`${folder}/networks.txt`, '192.0.2.0/24\n2001:db8::/48 # both families\n');
  const one = start('one', listening());
  const two = start('two', calling);
  await eventually(
    'established',
    async () => (await asJson<SummaryJson>('two', 'summary')).peers[0]?.state === 'established',
  );
  return { one, two };
}

describe('herald speaker', () => {
  it('shows sessions, routes and policies, as tables and as JSON', async () => {
    await startBoth();
    const [best] = await eventually('the route', async () => {
      const routes = await asJson<RouteJson[]>('two', 'routes', 'loc', 'ipv4', '192.0.2.0/24');
      return routes.length > 0 && routes;
    });
    expect(best).toMatchObject({ peer: ONE, asPath: '65000', localPref: 200, communities: ['65000:1'], best: true });
    const summary = await asJson<SummaryJson>('two', 'summary');
    expect(summary.families['ipv4-unicast'].locRib).toBe(2);
    expect(await asJson<RouteJson[]>('one', 'routes', 'in', '--peer', TWO)).toHaveLength(1);
    expect(await asJson<RouteJson[]>('one', 'routes', 'out', 'ipv4', '--peer', TWO)).toMatchObject([
      { prefix: '192.0.2.0/24' },
    ]);
    expect(await asJson<PeerJson[]>('two', 'peers', ONE)).toMatchObject([{ asn: 65000, timers: { holdSeconds: 9 } }]);
    expect(await asJson('two', 'policies')).toMatchObject({
      peers: [{ peer: ONE, import: 'prefer', export: 'originated' }],
    });
    const table = await herald('bgp', 'peers', '--socket', socketOf('one'));
    expect(table.out).toContain(TWO);
    expect(table.out).toContain('established');
  });

  it('follows its file, and the lists it names, without touching sessions that did not change', async () => {
    const { one } = await startBoth();
    writeFileSync(`${folder}/networks.txt`, '192.0.2.0/25\n');
    await eventually(
      'the list',
      async () => (await asJson<RouteJson[]>('two', 'routes', 'loc', '192.0.2.0/25')).length === 1,
    );
    write('one', listening('  - { address: 127.0.31.9, asn: 65009, passive: true }'));
    one.child.kill('SIGHUP');
    await eventually('the peer', async () => (await asJson<SummaryJson>('one', 'summary')).peers.length === 2);
    expect(await asJson<PeerJson[]>('one', 'peers', TWO)).toMatchObject([
      { state: 'established', established: 1, dropped: 0 },
    ]);
  });

  it('names the field of a fault, and keeps what runs (V14)', async () => {
    const { one } = await startBoth();
    write('one', listening('  - { address: 127.0.31.9, asn: 65009, timers: { holdSeconds: 2 } }'));
    one.child.kill('SIGHUP');
    await eventually('the fault', () => one.err().includes('peers[1].timers.holdSeconds'));
    expect(await asJson<PeerJson[]>('one', 'peers', TWO)).toMatchObject([{ state: 'established', dropped: 0 }]);
  });

  it('ends on SIGTERM with status 0, and the peer hears why', async () => {
    const { one, two } = await startBoth();
    one.child.kill('SIGTERM');
    expect(await one.finished).toMatchObject({ status: 0, signal: null });
    await eventually('the reason', () => two.err().includes('administrative shutdown'));
  });

  it('refuses to start from a file with faults, a line each, with status 1', async () => {
    write('bad', 'asn: 65000\nrouterId: nonsense\npeers: [{ address: 10.0.0.2 }]\n');
    const { status, err } = await herald('speaker', '--config', `${folder}/bad.yaml`);
    expect(status).toBe(1);
    expect(err).toContain('routerId');
  });

  it('never shows a password (B19)', async () => {
    const text = listening('  - { address: 127.0.31.9, asn: 65009, passive: true, password: hunter2 }');
    writeFileSync(`${folder}/networks.txt`, '192.0.2.0/24\n');
    const one = start('one', text);
    const answers = await eventually('it answers', async () =>
      Promise.all(['summary', 'peers', 'policies'].map(async what => JSON.stringify(await asJson('one', what)))),
    );
    expect(answers.join('')).not.toContain('hunter2');
    expect(one.err()).not.toContain('hunter2');
  });
});
