/** `herald run` as a user runs it: a process of its own, real folders, a real socket and a real port. */
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../../src/cli/client.ts';
import type { AllocatedRow } from '../../src/cli/report.ts';
import type { AnnouncedView } from '../../src/control/announced.ts';
import { herald, type Running, root, startHerald } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

let dir: string;
let manifests: string;
let state: string;
let running: Running[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'herald-run-'));
  manifests = join(dir, 'manifests');
  state = join(dir, 'state');
  running = [];
});

afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await Promise.all(running.map(each => each.finished));
  rmSync(dir, { recursive: true });
});

function example(name: string): void {
  cpSync(`${root}examples/${name}`, manifests, { recursive: true });
}

const socket = () => join(state, 'herald.sock');

/** Starts it and waits until it answers and is ready. */
async function start(...words: string[]): Promise<Running> {
  const started = startHerald(['run', '--manifests', manifests, '--state', state, '--listen', 'off', ...words]);
  running.push(started);
  await eventually('ready', async () => (await status()).ready === true, { detail: started.err });
  return started;
}

interface Answer {
  readonly ready?: boolean;
  readonly objects?: Readonly<Record<string, number>>;
}

async function status(): Promise<Answer> {
  return (await ask(socket(), '/status').catch(() => ({}))) as Answer;
}

async function addresses(): Promise<Readonly<Record<string, readonly string[]>>> {
  const rows = (await ask(socket(), '/allocated')) as AllocatedRow[];
  return Object.fromEntries(rows.map(row => [row.service, row.addresses]));
}

function writeService(name: string): void {
  const text = `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { type: LoadBalancer, ports: [{ port: 80, protocol: TCP }] }
`;
  // As careful editors do it: a new file, then its name.
  writeFileSync(join(manifests, `.${name}.tmp`), text);
  renameSync(join(manifests, `.${name}.tmp`), join(manifests, `${name}.yaml`));
}

const pool = `apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: { name: pool }
spec: { blocks: [{ cidr: 192.0.2.0/28 }] }
`;

describe('herald run --once', () => {
  it.each([
    'home-lab-l2',
    'single-tor-bgp',
    'dual-tor-bgp',
    'dual-stack',
  ])('on examples/%s allocates and would announce', async name => {
    const words = [
      'run',
      '--manifests',
      `${root}examples/${name}`,
      '--state',
      state,
      '--once',
      '-o',
      'json',
      '--log-level',
      'warn',
    ];
    const { status, out, err } = await herald(...words);
    expect([status, err]).toEqual([0, '']);
    const { allocated, announced, problems } = JSON.parse(out) as AnnouncedView & {
      allocated: AllocatedRow[];
      problems: unknown[];
    };
    expect(problems).toEqual([]);
    expect(allocated.length).toBeGreaterThan(0);
    expect(allocated.every(row => row.addresses.length > 0 && row.lacking.length === 0)).toBe(true);
    expect(announced.length).toBeGreaterThan(0);
  });

  it('ends with 1 when a manifest is refused, names file and line, and serves the rest', async () => {
    example('home-lab-l2');
    writeFileSync(
      join(manifests, 'wrong.yaml'),
      pool.replace('192.0.2.0/28', '192.0.2.0/33').replace('name: pool', 'name: wrong'),
    );
    const { status, out } = await herald(
      'run',
      '--manifests',
      manifests,
      '--state',
      state,
      '--once',
      '--log-level',
      'silent',
    );
    expect(status).toBe(1);
    expect(out).toMatch(/wrong\.yaml:4: .*192\.0\.2\.0\/33/);
    expect(out).toMatch(/^\S+\/\S+ +\d+\.\d+\.\d+\.\d+/m);
  });

  it('has one line for a folder that is not there', async () => {
    const { status, err } = await herald(
      'run',
      '--manifests',
      join(dir, 'none'),
      '--state',
      state,
      '--once',
      '--log-level',
      'silent',
    );
    expect(status).toBe(1);
    expect(err).toMatch(/^herald: .*none.*\n$/);
  });
});

describe('herald run', () => {
  it('takes up a manifest that is written, and lets go of one that is deleted', async () => {
    example('home-lab-l2');
    writeFileSync(join(manifests, 'extra-pool.yaml'), pool);
    await start();
    writeService('late');
    await eventually('default/late served', async () => ((await addresses())['default/late'] ?? []).length > 0);
    unlinkSync(join(manifests, 'late.yaml'));
    await eventually('default/late gone', async () => !('default/late' in (await addresses())));
  });

  it('keeps every address over kill -9', async () => {
    example('dual-stack');
    const first = await start();
    await eventually('all served', async () => Object.values(await addresses()).every(each => each.length > 0));
    const before = await addresses();
    first.child.kill('SIGKILL');
    await first.finished;
    await start();
    expect(await addresses()).toEqual(before);
  });

  it('takes no address while the file with the pool cannot be read, not even after a restart', async () => {
    example('home-lab-l2');
    const poolFile = join(manifests, 'pool.yaml');
    const text = readFileSync(poolFile, 'utf8');
    const first = await start();
    await eventually('all served', async () => Object.values(await addresses()).every(each => each.length > 0));
    const before = await addresses();
    first.child.kill('SIGTERM');
    await first.finished;
    writeFileSync(poolFile, text.replace('spec:', 'spec: ['));
    const second = await start();
    expect(await addresses()).toEqual(before);
    writeFileSync(poolFile, text);
    await eventually('the pool is back', async () => (await status()).objects?.CiliumLoadBalancerIPPool === 1);
    expect(await addresses()).toEqual(before);
    second.child.kill('SIGTERM');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('drains on %s and ends with 0', async signal => {
    example('home-lab-l2');
    const { child, finished } = await start();
    child.kill(signal);
    expect(await finished).toMatchObject({ status: 0, signal: null });
    expect(() => statSync(socket())).toThrow('ENOENT');
  });

  it('is one process: what is started is what runs (bin/herald becomes it)', async () => {
    example('home-lab-l2');
    const { child } = await start();
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0').slice(1, 3)).toEqual([
      `${root}src/main.ts`,
      'run',
    ]);
  });

  it('serves its socket to its owner alone', async () => {
    example('home-lab-l2');
    await start();
    expect(statSync(socket()).mode & 0o777).toBe(0o600);
  });

  it('answers probes and scrapers', async () => {
    example('home-lab-l2');
    const { err } = await start('--listen', '127.0.0.1:0', '--log-level', 'info');
    const port = /"port":(\d+)/.exec(err())?.[1];
    const get = async (path: string) => await fetch(`http://127.0.0.1:${port}${path}`);
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    const text = await (await get('/metrics')).text();
    expect(text).toMatch(/^herald_objects\{kind="Service"\} [1-9]/m);
    expect(text).toMatch(/^cilium_operator_lbipam_ips_used_total\{pool="[^"]+"\} [1-9]/m);
    expect(text).toMatch(/^herald_build_info\{version="0.1.0"\} 1/m);
  });

  it('status and announced show it, as tables and as JSON', async () => {
    example('single-tor-bgp');
    await start('--node', 'rack0-1');
    const shown = await herald('status', '--socket', socket());
    expect(shown.out).toMatch(/^herald \S+ on rack0-1: operator and agent, ready, up \d+ s$/m);
    expect(shown.out).toMatch(/^ipam +settled/m);
    const table = await herald('announced', '--socket', socket());
    expect(table.out).toMatch(/^rack0-1 +bgp +203\.0\.113\.\d+\/32 +Service rack0\/shop/m);
    const programs = await herald('announced', '--socket', socket(), '-o', 'json');
    expect((JSON.parse(programs.out) as AnnouncedView).announced.length).toBeGreaterThan(0);
  });

  it('as agent alone acts on a CiliumBGPNodeConfig that somebody else wrote', async () => {
    example('single-tor-bgp');
    for (const file of ['bgp.yaml', 'policy.yaml', 'peering-policy.yaml'])
      rmSync(join(manifests, file), { force: true });
    writeFileSync(
      join(manifests, 'by-hand.yaml'),
      `apiVersion: cilium.io/v2
kind: CiliumBGPNodeConfig
metadata: { name: by-hand }
spec:
  bgpInstances:
    - name: main
      localASN: 65010
      routerID: 10.9.9.9
      peers: [{ name: tor, peerAddress: 10.9.9.1, peerASN: 65000, peerConfigRef: { name: plain } }]
---
apiVersion: cilium.io/v2
kind: CiliumBGPPeerConfig
metadata: { name: plain }
spec: { families: [{ afi: ipv4, safi: unicast, advertisements: { matchLabels: { advertise: pods } } }] }
---
apiVersion: cilium.io/v2
kind: CiliumBGPAdvertisement
metadata: { name: pods, labels: { advertise: pods } }
spec: { advertisements: [{ advertisementType: PodCIDR }] }
---
apiVersion: v1
kind: Node
metadata: { name: by-hand }
spec: { podCIDR: 10.9.0.0/24, podCIDRs: [10.9.0.0/24] }
`,
    );
    await start('--node', 'by-hand', '--roles', 'agent');
    const { announced } = (await ask(socket(), '/announced')) as AnnouncedView;
    expect(announced).toMatchObject([{ what: '10.9.0.0/24', to: [expect.stringContaining('AS 65000')] }]);
  });

  it('has one operator among the processes that share a state folder, and the next one when it dies', async () => {
    example('home-lab-l2');
    const first = await start('--node', 'home-1');
    const other = join(dir, 'other.sock');
    running.push(
      startHerald([
        'run',
        '--manifests',
        manifests,
        '--state',
        state,
        '--listen',
        'off',
        '--node',
        'home-2',
        '--socket',
        other,
      ]),
    );
    const leads = async () => ((await ask(other, '/status').catch(() => ({}))) as { leading?: boolean }).leading;
    await eventually('the second is there', async () => (await leads()) === false);
    expect((await herald('status', '--socket', other)).out).toContain('another process is the operator');
    first.child.kill('SIGKILL');
    await eventually('the second took over', leads);
  });

  it('never shows a secret: not in logs, tables, JSON, metrics or conditions', async () => {
    example('single-tor-bgp');
    const password = 'kept-to-ourselves-42';
    writeFileSync(
      join(manifests, 'secret.yaml'),
      `apiVersion: v1
kind: Secret
metadata: { name: tor, namespace: kube-system }
data: { password: ${Buffer.from(password).toString('base64')} }
---
apiVersion: cilium.io/v2
kind: CiliumBGPPeerConfig
metadata: { name: secured }
spec: { authSecretRef: tor }
---
apiVersion: v1
kind: Secret
metadata: { name: broken, namespace: kube-system }
data: { password: [${password}] }
`,
    );
    const { child, finished } = await start('--log-level', 'debug', '--listen', '127.0.0.1:0', '--node', 'rack0-1');
    const shown: string[] = [];
    for (const words of [['status'], ['announced'], ['status', '-o', 'json'], ['announced', '-o', 'json']])
      shown.push((await herald(...words, '--socket', socket())).out);
    child.kill('SIGTERM');
    const { out, err } = await finished;
    shown.push(
      `${out}${err}`,
      (await herald('check', manifests)).out,
      (await herald('check', '-o', 'json', manifests)).out,
    );
    expect(err).toContain('"level":"info"');
    for (const text of shown) {
      expect(text.length).toBeGreaterThan(0);
      expect(text).not.toContain(password);
      expect(text).not.toContain(Buffer.from(password).toString('base64'));
    }
  });
});
