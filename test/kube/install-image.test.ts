/**
 * The image without an engine: what the Containerfile names is there, the commands of its first stage run in a scratch
 * copy, and what they made runs as the DaemonSet starts it: nobody, with its capabilities as a container runtime leaves
 * them, and what each of them is for.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../../src/cli/client.ts';
import { parseYaml } from '../../src/directory/yaml.ts';
import { startDaemon } from '../support/daemons/start.ts';
import { InstalledCluster, type RoleProcess } from '../support/kube/cluster.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { root } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

const containerfile = readFileSync(`${root}Containerfile`, 'utf8');
const instructions = containerfile
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => ({ word: line.replace(/ .*/, ''), rest: line.replace(/^\S+ /, '') }));
const second = instructions.findLastIndex(each => each.word === 'FROM');
const stages = [instructions.slice(0, second), instructions.slice(second)];
const of = (stage: number, word: string) =>
  (stages[stage] ?? []).filter(each => each.word === word).map(each => each.rest);
const ignored = readFileSync(`${root}.dockerignore`, 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'));

describe('the Containerfile', () => {
  it('has two stages of one system, each named in full', () => {
    expect(of(0, 'FROM')).toEqual(['docker.io/library/node:24-bookworm AS build']);
    expect(of(1, 'FROM')).toEqual(['docker.io/library/node:24-bookworm-slim']);
  });

  it('takes nothing into the result but what the first stage made, and ends as nobody', () => {
    expect(of(1, 'COPY')).toEqual(['--from=build /opt/herald /opt/herald']);
    expect(of(1, 'RUN').join('\n')).not.toMatch(/apt-get|npm|gcc/);
    expect(of(1, 'USER')).toEqual(['65532:65532']);
    expect(of(1, 'ENTRYPOINT')).toEqual(['["herald"]']);
  });

  it('sends the engine nothing that is made here', () => {
    for (const name of ['.git', 'build', 'node_modules']) expect(ignored).toContain(name);
    for (const name of ignored)
      expect(['package.json', 'package-lock.json', 'src', 'scripts', 'bin', 'crds']).not.toContain(name);
  });
});

const missing =
  kubeMissing() ?? namespacesMissing() ?? (existsSync('/usr/sbin/setcap') ? undefined : 'needs libcap2-bin');

interface Container {
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly securityContext: { readonly capabilities: { readonly add?: readonly string[] } };
}
interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly [Container];
        readonly initContainers: readonly [Container];
        readonly securityContext: { readonly runAsUser: number };
      };
    };
  };
}

describe.skipIf(missing !== undefined)(`the image’s agent${missing ? `: skipped, ${missing}` : ''}`, () => {
  let scratch: string;
  let net: Net;
  let node: Namespace;
  let router: Namespace;
  let cluster: InstalledCluster;
  let env: NodeJS.ProcessEnv;
  let pod: Manifest['spec']['template']['spec'];
  const herald = () => `${scratch}/opt/herald/bin/herald`;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'hrld-image-'));
    chmodSync(scratch, 0o755);
    build(scratch);
    env = { ...process.env, PATH: `${scratch}/opt/herald/bin:${scratch}/node:${process.env['PATH']}` };
    const printed = execFileSync(herald(), ['install'], { encoding: 'utf8', env, maxBuffer: 2 ** 26 });
    const objects = printed.split(/^---\n/m).map(text => parseYaml(text) as Manifest | undefined);
    const daemonSet = objects.find(each => each?.kind === 'DaemonSet');
    if (daemonSet === undefined) throw new Error('no DaemonSet');
    pod = daemonSet.spec.template.spec;
    net = new Net();
    [node, router] = [net.namespace('node'), net.namespace('router')];
    net.link(
      { in: node, link: 'eth0', addresses: ['10.0.0.1/24'] },
      { in: router, link: 'eth0', addresses: ['10.0.0.2/24'] },
    );
    mkdirSync(`${scratch}/bpf`);
    execFileSync('mount', ['-t', 'bpf', 'bpf', `${scratch}/bpf`]);
    cluster = await InstalledCluster.start();
    await cluster.server.reachFrom(node);
    await cluster.run('operator', { node: 'operator' });
    await cluster.apply(...objectsOf(179));
  }, 300_000);
  afterAll(async () => {
    await cluster?.stop();
    net?.close();
    spawnSync('umount', [`${scratch}/bpf`]);
    rmSync(scratch, { recursive: true, force: true });
  });

  /** As a container runtime starts it: its capabilities are those of the bounding set, none of them ambient. */
  async function agent(name: string, capabilities: readonly string[], ...words: string[]): Promise<RoleProcess> {
    const [{ command, args }] = pod.containers;
    const [init] = pod.initContainers;
    const list = capabilities.map(each => `+${each.toLowerCase()}`).join();
    const asked = command.map(word => word.replace(/^(--(?:inh|ambient)-caps)=.*/, `$1=${list}`));
    const user = String(pod.securityContext.runAsUser);
    const none = ['--bounding-set=-all', '--inh-caps=-all'];
    const script = [
      // Of a container's own.
      'mount -t tmpfs -o mode=0755 tmpfs /run && mkdir -p /run/herald/bpf',
      `mount --bind ${scratch}/bpf /run/herald/bpf`,
      quoted(['setpriv', `--regid=${user}`, '--clear-groups', ...none, ...init.command]),
      `exec ${quoted([
        'setpriv',
        ...[`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs'],
        ...[`--bounding-set=-all,${list}`, `--inh-caps=-all,${list}`, `--ambient-caps=-all,${list}`],
        ...asked,
        ...args,
      ])} "$@"`,
    ].join(' && ');
    const started = ['sh', '-c', script, 'sh'];
    return (
      await cluster.run('agent', { node: name, in: node, command: started, words, env, userId: Number(user) })
    ).ready();
  }

  const granted = () => pod.containers[0].securityContext.capabilities.add ?? [];
  const without = (name: string) => granted().filter(each => each !== name);
  const listens = () => /:179\b/.test(node.run('ss', '-ltnH'));
  const answered = () => {
    const out = router.run('sh', '-c', 'arping -c 1 -w 1 -i eth0 10.0.0.200 || :');
    return /1 packets received|Received 1 /.test(out);
  };

  it('is nobody, with the capabilities of its manifest and no way to more', async () => {
    const running = await agent('node-1', granted());
    try {
      const status = readFileSync(`/proc/${running.pid}/status`, 'utf8');
      const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1];
      expect(field('Uid')?.split('\t')).toEqual(['65532', '65532', '65532', '65532']);
      expect(field('NoNewPrivs')).toBe('1');
      // CAP_NET_BIND_SERVICE 10, CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_BPF 39.
      const four = (2n ** 10n + 2n ** 12n + 2n ** 13n + 2n ** 39n).toString(16).padStart(16, '0');
      for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect([set, field(set)]).toEqual([set, four]);
    } finally {
      await running.stop();
    }
  });

  it('does all of its work so: BGP on port 179, answers from the kernel, pins in the folder it was given', async () => {
    const bird = await startDaemon('bird', router, routerSpec);
    const running = await agent('node-1', granted(), '--l2-datapath=ebpf');
    try {
      await eventually('a session', () => bird.established().length === 1, { detail: () => running.log() });
      await eventually('an answer', answered, { detail: () => running.log() });
      expect(execFileSync('ls', ['-A', `${scratch}/bpf`], { encoding: 'utf8' })).toMatch(/^herald-/);
    } finally {
      await bird.stop();
      await running.stop();
    }
  });

  it('NET_BIND_SERVICE is for port 179', async () => {
    const running = await agent('node-1', without('NET_BIND_SERVICE'));
    await eventually('it says so', () => /EACCES|permission denied/.test(running.log()), {
      detail: () => running.log(),
    });
    expect(listens()).toBe(false);
    await running.stop();
  });

  it.each([
    ['BPF', 'auto', 'socket', 'it takes CAP_BPF and CAP_NET_ADMIN'],
    ['NET_ADMIN', 'auto', 'socket', 'it takes CAP_BPF and CAP_NET_ADMIN'],
    ['NET_RAW', 'socket', '', 'socket: operation not permitted'],
  ])('%s is for the responder: without it, and told to take %s, it has %j and says: %s', async (...row) => {
    const [name, datapath, taken, why] = row;
    const running = await agent('node-1', without(name), `--l2-datapath=${datapath}`);
    try {
      const said = await eventually('a word about the link', async () => {
        const { links, note } = (await ask(running.socketPath, '/l2')) as L2Json;
        return links.length > 0 && { links, note };
      });
      expect(said.links.map(each => each.datapath)).toEqual([taken]);
      expect(JSON.stringify(said)).toContain(why);
      if (taken === '') expect(answered()).toBe(false);
      else await eventually('an answer', answered, { detail: () => running.log() });
    } finally {
      await running.stop();
    }
  });
});

interface L2Json {
  readonly links: readonly { readonly datapath: string; readonly problem: string }[];
  readonly note: string;
}

/** The commands of the first stage, in a copy of what an engine is sent. */
function build(scratch: string): void {
  const source = `${scratch}/src`;
  cpSync(root, source, { recursive: true, filter: path => !ignored.includes(path.slice(root.length)) });
  symlinkSync(`${root}node_modules`, `${source}/node_modules`);
  const env = {
    ...process.env,
    PATH: `${root}node_modules/node/bin:${process.env['PATH']}`,
    npm_config_prefer_offline: 'true',
  };
  for (const command of of(0, 'RUN')) {
    // What brings libcap2-bin has brought it here already; the build finds npm's packages as this checkout has them.
    if (command.startsWith('apt-get ')) continue;
    execFileSync('sh', ['-c', command.replaceAll('/opt/', `${scratch}/opt/`)], { cwd: source, env, stdio: 'pipe' });
  }
  // Of the second stage's own: where a user may run it from, whoever keeps the checkout to himself.
  mkdirSync(`${scratch}/node`);
  cpSync(`${root}node_modules/node/bin/node`, `${scratch}/node/node`);
}

function quoted(words: readonly string[]): string {
  return words.map(word => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

const routerSpec = {
  asn: 65_002,
  routerId: '10.0.0.2',
  addresses: ['10.0.0.2'],
  peers: [{ address: '10.0.0.1', asn: 65_001 }],
};
const cilium = (kind: string, spec: object, version = 'v2') => ({
  apiVersion: `cilium.io/${version}`,
  kind,
  metadata: { name: 'all' },
  spec,
});
const objectsOf = (localPort: number) => [
  { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } },
  cilium('CiliumLoadBalancerIPPool', { blocks: [{ start: '10.0.0.200', stop: '10.0.0.200' }] }),
  cilium('CiliumL2AnnouncementPolicy', { loadBalancerIPs: true }, 'v2alpha1'),
  cilium('CiliumBGPClusterConfig', {
    bgpInstances: [
      { name: 'tor', localASN: 65_001, localPort, peers: [{ name: 'tor', peerASN: 65_002, peerAddress: '10.0.0.2' }] },
    ],
  }),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
  },
];
