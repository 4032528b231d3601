/**
 * Three nodes, their agents and the operator as installed, one API server, a router and a client on the same network:
 * addresses that kubectl asks for are answered for by one node each and told to the router; nodes that die, leave or
 * lose the API server are replaced, and never do two answer; an API server that is away moves nothing.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { policy, pool, serviceObject, sliceObject } from '../../scripts/failover-l2-objects.ts';
import { daemonMissing } from '../support/daemons/daemon.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import {
  KubeLan,
  type LanNode,
  leaseSeconds,
  nodeAsn,
  nowMs,
  routerAddress,
  routerAsn,
  type Span,
} from '../support/kube-lan.ts';
import { namespacesMissing } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';

const daemon = daemonMissing('frr');
const missing = kubeMissing() ?? (daemon === undefined ? namespacesMissing() : `${daemon} is not installed`);

/** Generous: the machine may have a lot else to do. What must not be is tested exactly. */
const gapMaxMs = 30_000;
const awayMs = 15_000;
/** After everything is as it ought to be: whoever came back too late to notice would move something now. */
const watchMs = 1500;
const leases = ['cilium-l2announce-default-web', 'cilium-l2announce-default-dual', 'cilium-l2announce-default-local'];

const api = 'cilium.io/v2';
const bgp = [
  {
    apiVersion: api,
    kind: 'CiliumBGPAdvertisement',
    metadata: { name: 'services', labels: { advertise: 'bgp' } },
    spec: {
      advertisements: [
        {
          advertisementType: 'Service',
          service: { addresses: ['LoadBalancerIP'] },
          selector: { matchExpressions: [{ key: 'nobody', operator: 'DoesNotExist' }] },
        },
      ],
    },
  },
  {
    apiVersion: api,
    kind: 'CiliumBGPPeerConfig',
    metadata: { name: 'tor' },
    spec: {
      timers: { connectRetryTimeSeconds: 1, holdTimeSeconds: 60, keepAliveTimeSeconds: 20 },
      families: ['ipv4', 'ipv6'].map(afi => ({
        afi,
        safi: 'unicast',
        advertisements: { matchLabels: { advertise: 'bgp' } },
      })),
    },
  },
  {
    apiVersion: api,
    kind: 'CiliumBGPClusterConfig',
    metadata: { name: 'rack' },
    spec: {
      nodeSelector: { matchLabels: { rack: 'a' } },
      bgpInstances: [
        {
          name: 'main',
          localASN: nodeAsn,
          peers: [{ name: 'tor', peerASN: routerAsn, peerAddress: routerAddress, peerConfigRef: { name: 'tor' } }],
        },
      ],
    },
  },
];

interface Fault {
  readonly name: string;
  readonly begin: (victim: LanNode) => Promise<unknown>;
  readonly undo: (victim: LanNode) => Promise<unknown>;
}

const faults: readonly Fault[] = [
  {
    name: 'kill -9',
    begin: victim => victim.agent.stop('SIGKILL'),
    undo: victim => victim.start(),
  },
  {
    name: 'SIGTERM',
    begin: victim => victim.agent.stop('SIGTERM'),
    undo: victim => victim.start(),
  },
  {
    name: 'cut off from the API server, it alone',
    begin: victim => victim.reach('gone'),
    undo: victim => victim.reach('there'),
  },
];

/** Whether some of the spans, one after the other or overlapping, cover all of it. */
function isWithin(span: Span, spans: readonly Span[]): boolean {
  let atMs = span.fromMs;
  for (const { fromMs, toMs } of spans) if (fromMs <= atMs) atMs = Math.max(atMs, toMs);
  return atMs >= span.toMs;
}

describe.skipIf(missing !== undefined)(`agents on one network${missing ? `: skipped, ${missing}` : ''}`, () => {
  let lan: KubeLan;
  /** By address. */
  let prefixes: ReadonlyMap<string, string>;
  let probedMs = 0;
  /** Of the router, since nothing is done to agents any more. */
  let sessions: Readonly<Record<string, string>> | undefined;
  beforeAll(async () => {
    lan = await KubeLan.start(3);
    await lan.cluster.apply(pool, policy, ...bgp);
  }, 180_000);
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stdout.write(`${lan.logs()}\n`);
  });
  afterAll(() => lan?.close(), 60_000);

  const kubectl = (...words: readonly string[]) => lan.cluster.server.kubectl(words);
  const addressesOf = (service: string) =>
    kubectl('get', 'service', service, '-o', 'jsonpath={.status.loadBalancer.ingress[*].ip}')
      .split(' ')
      .filter(text => text !== '');
  const addresses = (service: string, count: number) =>
    eventually(`${service} has ${count}`, () => addressesOf(service).length === count && addressesOf(service), {
      everyMs: 200,
      detail: () => lan.logs(),
    });
  const reaches = (wanted: Iterable<string>) =>
    eventually(
      'the router has every address',
      () => {
        const has = new Set([...lan.router.prefixes('ipv4'), ...lan.router.prefixes('ipv6')]);
        return [...wanted].every(prefix => has.has(prefix));
      },
      { limitMs: 60_000, everyMs: 200, detail: () => lan.logs() },
    );
  const holders = () =>
    leases.map(name =>
      kubectl('get', 'lease', '-n', lan.cluster.namespace, name, '-o', 'jsonpath={.spec.holderIdentity}'),
    );
  const namesOf = (owners: ReadonlyMap<string, LanNode>) =>
    Object.fromEntries([...owners].map(([address, { name }]) => [address, name]));
  const past = (ms: number) => {
    const untilMs = nowMs() + ms;
    return eventually('that time', () => nowMs() > untilMs, { limitMs: ms + 30_000, everyMs: 100 });
  };
  /** Since the client began to ask, whatever was done. */
  const neverTwo = async () => {
    const { addresses: all } = await lan.seen(probedMs, nowMs() - 50);
    expect(all.filter(each => each.dual > 0)).toEqual([]);
  };
  const inStep = (node: LanNode) =>
    eventually(`${node.name} is in step`, async () => {
      const { apiServer } = await node.agent.status();
      return (apiServer as { staleMs: number }).staleMs === 0;
    });

  it('what kubectl creates gets addresses, one node answers for each, and the router has them', async () => {
    const nodes = lan.nodes.map(({ name }) => name);
    await lan.cluster.apply(
      sliceObject('local', nodes),
      serviceObject('dual', ['10.77.1.20', 'fd77::1:20']),
      serviceObject('local', ['10.77.1.30'], true),
    );
    kubectl('create', 'service', 'loadbalancer', 'web', '--tcp=80:80');
    const all = [await addresses('web', 1), await addresses('dual', 2), await addresses('local', 1)].flat();
    prefixes = new Map(all.map(address => [address, `${address}/${address.includes(':') ? 128 : 32}`]));
    lan.startProbe(all);
    probedMs = nowMs();
    await lan.settled('at the beginning');
    await reaches(prefixes.values());
    expect([...lan.router.established()].sort()).toEqual(lan.nodes.map(({ address }) => address).sort());
  }, 120_000);

  it('kubectl get lease shows the owners', async () => {
    const owners = namesOf(await lan.settled('now'));
    const [web = '', dual = '', local = ''] = holders();
    const [first = ''] = Object.keys(owners).filter(
      address => !['10.77.1.20', 'fd77::1:20', '10.77.1.30'].includes(address),
    );
    expect(owners).toEqual({ [first]: web, '10.77.1.20': dual, 'fd77::1:20': dual, '10.77.1.30': local });
    const table = kubectl('get', 'lease', '-n', lan.cluster.namespace);
    for (const [i, name] of leases.entries()) expect(table).toMatch(new RegExp(`${name} +${holders()[i]} `));
  });

  it.each(faults.map((fault): [string, Fault] => [fault.name, fault]))(
    '%s: another node answers, never two',
    { timeout: 120_000 },
    async (name, fault) => {
      const before = await lan.settled(`before ${name}`);
      const [victim] = before.values();
      if (victim === undefined) throw new Error('nobody answers');
      const own = [...before].filter(([, node]) => node === victim).map(([address]) => address);
      const beginMs = nowMs();
      await fault.begin(victim);
      const moved = await eventually(
        `another node than ${victim.name}`,
        async () => {
          const now = await lan.owners(300);
          return now !== undefined && own.every(address => now.get(address) !== victim) && now;
        },
        { limitMs: 60_000, everyMs: 100, detail: () => lan.logs() },
      );
      const undoMs = nowMs();
      await fault.undo(victim);
      await victim.agent.ready();
      await inStep(victim);
      await past(watchMs);
      const after = await lan.settled(`after ${name}`);
      const endMs = nowMs() - 50;
      const [during, back] = [await lan.seen(beginMs - 50, undoMs), await lan.seen(undoMs, endMs)];
      const gap = Math.max(...during.addresses.filter(each => own.includes(each.address)).map(each => each.gapMs));
      const returned = Math.max(...back.addresses.map(each => each.gapMs));
      process.stdout.write(`${name}: no answer for ${gap.toFixed(0)} ms, then ${returned.toFixed(0)} ms\n`);
      await neverTwo();
      expect(gap).toBeLessThan(gapMaxMs);
      expect(namesOf(after)).toEqual(namesOf(moved));
      expect(holders()[0]).not.toBe(victim.name);
    },
  );

  it(`the API server is away for ${awayMs / 1000} s: all are answered, or their owner says why not; nothing moves`, {
    timeout: 180_000,
  }, async () => {
    await eventually('all peer', () => lan.router.established().length === lan.nodes.length);
    sessions ??= lan.router.sessions?.();
    const [owners, before] = [namesOf(await lan.settled('before')), holders()];
    const beginMs = nowMs();
    await lan.cluster.server.killApi();
    await past(awayMs);
    await lan.cluster.server.begin();
    for (const node of lan.nodes) await inStep(node);
    // Whoever does not renew by now is counted as gone after a lease, and not before.
    await past(leaseSeconds * 1000 + watchMs);
    const endMs = nowMs();
    expect(namesOf(await lan.settled('afterwards'))).toEqual(owners);
    const report = await lan.seen(beginMs, endMs);
    const gap = Math.max(...report.addresses.map(each => each.gapMs));
    process.stdout.write(`API server away: at most ${gap.toFixed(0)} ms from answer to answer\n`);
    await neverTwo();
    expect(lan.router.sessions?.()).toEqual(sessions);
    // The same station from the first question to the last, and none without an answer but those it accounts for.
    for (const { address, changes } of report.addresses) {
      const owner = lan.nodes.find(({ name }) => name === owners[address]);
      expect(new Set(changes.flatMap(({ macs }) => macs)), address).toEqual(new Set([owner?.mac]));
      const gaps = changes.flatMap(({ atMs, macs }, i): readonly Span[] =>
        macs.length > 0 ? [] : [{ fromMs: atMs, toMs: changes[i + 1]?.atMs ?? endMs }],
      );
      expect(
        gaps.filter(each => !isWithin(each, owner?.silences ?? [])),
        `${address}: ${lan.logs()}`,
      ).toEqual([]);
    }
    expect(holders()).toEqual(before);
    await reaches(prefixes.values());
  });

  it('all goes on afterwards', async () => {
    kubectl('create', 'service', 'loadbalancer', 'after', '--tcp=80:80');
    const [address = ''] = await addresses('after', 1);
    await reaches([`${address}/32`]);
    expect(lan.router.sessions?.()).toEqual(sessions);
    await neverTwo();
  }, 60_000);
});
