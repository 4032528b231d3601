/** What `npm start` shows of the lab once it stands, and what it checks. Addresses are those of examples/lab. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Agent, agentOf, given, inside, labName, ownerOf, paths, socket } from './start-ask.ts';
import type { Show } from './start-show.ts';

type Step = (show: Show) => Promise<void>;

const on = (node: string, ...words: string[]) => ['lab', 'exec', '--lab', labName, node, ...words];
const flat = { v4: '192.168.50.200', v6: 'fd00:0:0:50::200' };
/** Questions of the fail-over: so often, so many; the agent is killed after some of them. */
const asked = { everyMs: 20, count: 330, killAfterMs: 600 };

/** With a Kubernetes API `applied` shows how the Services came. */
export async function addresses(show: Show, applied?: Step): Promise<void> {
  show.step('Addresses from the pools');
  await applied?.(show);
  await show.until('addresses', async () => ((await given('lab/web')).length === 2 ? true : undefined));
  await show.herald('ipam', '--socket', socket('operator'));
  const services = ['lab/web', 'lab/login', 'lab/web-flat'];
  const counts = await Promise.all(services.map(async each => (await given(each)).length));
  show.check('three Services have five addresses', counts.join() === '2,1,2');
}

async function bgp(show: Show): Promise<void> {
  show.step('BGP: the routers learn a route to each address from every node that serves it');
  const [v4 = '', v6 = ''] = await given('lab/web');
  const prefixes = [`${v4}/32`, `${v6}/128`];
  const all = await show.until('three equal paths on both routers', async () => {
    for (const router of ['tor0', 'tor1'])
      for (const prefix of prefixes) {
        const found = await paths(router, prefix);
        if (found.filter(({ multipath }) => multipath === true).length !== 3) return undefined;
      }
    return true;
  });
  await show.herald(...on('tor0', 'vtysh', '-c', 'show ip bgp summary'));
  await show.herald(...on('tor0', 'vtysh', '-c', 'show ip bgp'));
  await show.herald(...on('tor0', 'ip', 'route', 'show', v4));
  show.check(`both routers have three equal paths to ${v4} and ${v6}`, all === true);
}

async function l2(show: Show): Promise<void> {
  show.step('L2: one node answers for an address of the flat network');
  const owner = await show.until('an owner', () => ownerOf(flat.v4));
  const arp = await show.herald(...on('client', 'arping', '-c', '3', '-W', '0.2', '-I', 'eth1', flat.v4));
  const ndp = await show.herald(...on('client', 'ndisc6', '-1', flat.v6, 'eth1'));
  await show.herald('l2', '--socket', socket(`agent-${owner ?? 'node0'}`));
  const mac = /from ([0-9a-f:]{17}) /.exec(arp.out)?.[1];
  show.check(`ARP and neighbour solicitations are answered, by ${owner}`, arp.status === 0 && ndp.status === 0);
  show.check('both with the same MAC', mac !== undefined && ndp.out.toLowerCase().includes(mac));
}

/** `lab/web-1 on node0 to 10.0.0.10`: which pod answered, and whom it saw. */
async function curl(show: Show, from: string, address: string, times: number): Promise<readonly string[]> {
  const url = `http://${address.includes(':') ? `[${address}]` : address}/`;
  const loop = `for i in $(seq ${times}); do curl -s -m 5 ${url}; done`;
  const { out } = await show.herald(
    ...on(from, ...(times === 1 ? ['curl', '-s', '-m', '5', url] : ['sh', '-c', loop])),
  );
  return out.split('\n').filter(line => / on \S+ to /.test(line));
}

async function traffic(show: Show): Promise<void> {
  show.step('Traffic: through the routers and equal paths, and on the flat network');
  const [v4 = '', v6 = ''] = await given('lab/web');
  const [login = ''] = await given('lab/login');
  const first = () => inside('remote', 'curl', '-s', '-m', '5', `http://${login}/`);
  await show.until('the first answer', async () => (await first()) || undefined);
  const times = 12;
  const answers = await curl(show, 'remote', v4, times);
  show.check(`${times} of ${times} requests from behind tor0 are answered`, answers.length === times);
  const entries = new Set(answers.map(line => line.split(' to ')[1]));
  show.check('the router spread them over several nodes', entries.size > 1);
  show.check('the same over IPv6', (await curl(show, 'remote', v6, 1)).length === 1);
  const seen = await curl(show, 'remote', login, 1);
  show.check('externalTrafficPolicy Local: the pod sees the client’s own address', /10\.20\.0\.2$/.test(seen[0] ?? ''));
  const local = [...(await curl(show, 'client', flat.v4, 1)), ...(await curl(show, 'client', flat.v6, 1))];
  show.check('the client on the flat network is answered, over both families', local.length === 2);
}

/** Fails the owner of the address while somebody asks for it, and starts its agent again. */
async function failOver(show: Show): Promise<void> {
  show.step('Fail-over: the owner’s agent is killed while the client asks every 20 ms');
  const owner = await show.until('an owner', () => ownerOf(flat.v4));
  const [v4 = ''] = await given('lab/web');
  if (owner === undefined) return show.check('there is an owner', false);
  const agent = await agentOf(owner);
  const watch = show.begin(on('tor0', 'ip', 'monitor', 'route'));
  const every = String(asked.everyMs / 1000);
  const questions = ['arping', '-I', 'eth1', '-W', every, '-c', String(asked.count), flat.v4];
  show.say(`   $ bin/herald lab exec client ${questions.join(' ')} &`);
  const prober = show.begin(on('client', ...questions));
  await delay(asked.killAfterMs);
  await show.herald(...on(owner, 'pkill', '-KILL', '-f', 'roles agent'));
  const { out } = await prober.ended;
  const next = await show.until('the next owner', () => ownerOf(flat.v4, owner));
  const { answers, silentMs } = silence(out);
  show.say(`   ${answers} answers; the longest silence ${silentMs} ms, to ${asked.everyMs} ms; now ${next} answers`);
  show.check('another node answers', next !== undefined);
  show.check('silence of less than 5 s', answers > 0 && silentMs < 5000);
  const reached = await curl(show, 'client', flat.v4, 1);
  show.check('the client is answered still', reached.length === 1);
  await restart(show, owner, agent, v4);
  const fewest = Math.min(3, ...nextHops(watch.out(), v4));
  await inside('tor0', 'pkill', '-f', 'ip monitor route');
  show.check(`tor0 never had fewer than three next hops to ${v4}`, fewest === 3);
}

async function restart(show: Show, node: string, agent: Agent, address: string): Promise<void> {
  show.step('The agent starts again: the routers kept its routes meanwhile');
  const stale = (await paths('tor0', `${address}/32`)).filter(each => each.stale === true).length;
  show.say(`   on tor0 ${stale} path to ${address} is kept as stale`);
  show.say(`   $ bin/herald lab exec ${node} herald run --roles agent --node ${node} … &`);
  const log = `/run/herald-lab/${labName}/log/agent-${node}.log`;
  const words = ['sh', '-c', 'exec "$@" >>"$0" 2>&1', log, ...agent.words];
  const { child } = show.begin(on(node, ...words), { detached: true, env: agent.env });
  child.unref();
  child.stdout?.destroy();
  child.stderr?.destroy();
  const fresh = await show.until('three equal paths, none of them stale', async () => {
    const found = (await paths('tor0', `${address}/32`)).filter(each => each.multipath === true);
    return found.length === 3 && found.every(each => each.stale !== true) ? true : undefined;
  });
  show.check('three equal paths again, none of them stale', fresh === true);
  if (fresh !== true) show.quote(await inside(node, 'tail', '-n', '5', log));
}

/** Answers, and the longest run of questions without one. */
function silence(out: string): { answers: number; silentMs: number } {
  let [answers, run, longest] = [0, 0, 0];
  for (const line of out.split('\n')) {
    if (/^[0-9]+ bytes from/.test(line)) {
      answers++;
      run = 0;
    } else if (line.startsWith('Timeout')) longest = Math.max(longest, ++run);
  }
  return { answers, silentMs: longest * asked.everyMs };
}

/** How many next hops each change of the route left. */
function nextHops(changes: string, address: string): readonly number[] {
  const counts: number[] = [];
  let ours = false;
  for (const line of changes.split('\n')) {
    const isHop = /^\s+nexthop /.test(line);
    if (!isHop) {
      ours = line.split(' ').includes(address);
      if (ours) counts.push(line.startsWith('Deleted') ? 0 : / via | dev /.test(line) ? 1 : 0);
    } else if (ours) counts.push((counts.pop() ?? 0) + 1);
  }
  return counts;
}

async function verify(show: Show): Promise<void> {
  show.step('Everything once more, as anybody can check it');
  const { status } = await show.herald('lab', 'verify', labName);
  show.check('herald lab verify finds nothing', status === 0);
}

/** In this order, once the addresses are there. */
export const steps: readonly Step[] = [bgp, l2, traffic, failOver, verify];
