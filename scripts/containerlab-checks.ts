/**
 * What `herald lab verify` looks at, in containers that containerlab has started: sessions from both ends, routes that
 * were sent in the routers' tables; and that somebody answers ARP on the flat network.
 */
import { spawn } from 'node:child_process';
import { programPath } from '../src/lab/agents-program.ts';
import type { Place } from '../src/lab/place.ts';
import type { Ran, RunOptions } from '../src/lab/place-process.ts';
import { shellWords } from '../src/lab/place-words.ts';
import type { LabNode } from '../src/lab/topology.ts';
import { readLabFiles } from '../src/lab/topology-read.ts';
import type { Check } from '../src/lab/verify.ts';
import { checkSessions, heraldSessions, routersOf } from '../src/lab/verify-bgp.ts';
import { addressOwners } from '../src/lab/verify-reach.ts';
import { checkRoutes } from '../src/lab/verify-routes.ts';

const flatAddress = '192.168.50.200';

/** `path` is the topology that was deployed. */
export async function containerChecks(path: string): Promise<readonly Check[]> {
  const { value, faults } = readLabFiles(path, undefined);
  if (value === undefined) throw new Error(faults.join('\n'));
  const { topology } = value;
  const places = topology.nodes.map(node => containerPlace(`clab-${topology.name}-${node.name}`, node));
  const { sessions, checks } = await heraldSessions('', places, topology);
  const routers = await routersOf(places.filter(({ about }) => about['role'] === 'frr'));
  return [
    ...checks,
    ...checkSessions(sessions, routers, await addressOwners(places)),
    ...(await checkRoutes(sessions, routers)),
    ...(await answered(places)),
  ];
}

async function answered(places: readonly Place[]): Promise<readonly Check[]> {
  const client = places.find(({ name }) => name === 'client');
  if (client === undefined) return [];
  const { status, stdout } = await client.run(['arping', '-c', '3', '-I', 'eth1', flatAddress]);
  const seen = stdout.trim().split('\n').at(-1) ?? '';
  return [{ what: 'address', from: client.name, to: flatAddress, ok: status === 0, seen }];
}

/** A container, as far as somebody only looks at it. */
function containerPlace(container: string, { name, role }: LabNode): Place {
  const words = (inside: readonly string[]) => [
    ...['docker', 'exec', '-i', container],
    // In its image Herald is on the PATH.
    ...inside.map((word, i) => (i === 0 && word === programPath() ? 'herald' : word)),
  ];
  const notHere = async (): Promise<never> => {
    throw new Error('containerlab starts and ends what runs in containers');
  };
  const run = (inside: readonly string[], options?: RunOptions) => ranBy(words(inside), options);
  return {
    name,
    netns: '',
    pid: 0,
    about: { role, fullName: container },
    entry: inside => ({ words: words(inside), env: {} }),
    run,
    exec: (line, options) => run(shellWords(line), options),
    spawn: notHere,
    close: notHere,
  };
}

function ranBy([command = '', ...rest]: readonly string[], { stdin = '' }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, { stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', status => resolve({ status: status ?? 1, stdout, stderr }));
    child.stdin.on('error', () => undefined).end(stdin);
  });
}
