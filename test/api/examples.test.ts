/** Every folder of examples/ parses without a fault, explains itself, and gives and announces what its README says. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { AnnouncedView } from '../../src/control/announced.ts';
import { checkManifests } from '../../src/directory/manifests.ts';
import { herald } from '../support/run-herald.ts';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

/** Addresses that are given, and what is announced: `what how nodes`. */
const examples = {
  'anycast-racks': ['198.51.100.53', '198.51.100.53/32 bgp rack-a-1 rack-b-2'],
  'dual-stack': [
    '2001:db8:100:: 2001:db8:100::1 2001:db8:100::25 203.0.113.128 203.0.113.140',
    '10.3.0.0/24 bgp dual-1',
    '2001:db8:100::/128 bgp dual-1',
    '2001:db8:100::1/128 bgp dual-1',
    '2001:db8:100::25/128 bgp dual-1',
    '203.0.113.128/32 bgp dual-1',
    '203.0.113.140/32 bgp dual-1',
    'fd00:10:3::/64 bgp dual-1',
  ],
  'dual-tor-bgp': [
    '203.0.113.64 203.0.113.65',
    '10.2.0.0/24 bgp rack1-1',
    '10.2.1.0/24 bgp rack1-2',
    '203.0.113.64/32 bgp rack1-1 rack1-2',
    '203.0.113.65/32 bgp rack1-1',
  ],
  'from-metallb': [
    '192.168.7.240 198.51.100.80',
    '192.168.7.240 l2 office-1 office-2',
    '198.51.100.80/32 bgp office-1 office-2',
  ],
  'home-lab-l2': ['192.168.1.200 192.168.1.230', '192.168.1.200 l2 home-1 home-2', '192.168.1.230 l2 home-2'],
  // Its pods are made by the lab: from files alone, the Service with the policy Local has nobody to serve it.
  'lab/manifests': [
    '192.168.50.200 2001:db8:113::1 203.0.113.1 203.0.113.2 fd00:0:0:50::200',
    '10.244.0.0/24 bgp node0',
    '10.244.1.0/24 bgp node1',
    '10.244.2.0/24 bgp node2',
    '192.168.50.200 l2 node0 node1 node2',
    '2001:db8:113::1/128 bgp node0 node1 node2',
    '203.0.113.2/32 bgp node0 node1 node2',
    'fd00:0:0:50::200 l2 node0 node1 node2',
    'fd00:10:244:1::/64 bgp node1',
    'fd00:10:244:2::/64 bgp node2',
    'fd00:10:244::/64 bgp node0',
  ],
  'single-tor-bgp': [
    '203.0.113.1 203.0.113.2',
    '10.1.0.0/24 bgp rack0-1',
    '10.1.1.0/24 bgp rack0-2',
    '203.0.113.1/32 bgp rack0-1 rack0-2',
  ],
} as const;
const sets = Object.entries(examples);

describe('examples/', () => {
  it('all are here', () => {
    const names = readdirSync(folder).filter(name => name !== 'install');
    expect(names.sort()).toEqual(Object.keys(examples).map(name => name.replace('/manifests', '')));
  });

  it.each(sets)('%s has no fault, and nothing in it is of a kind that nobody reads', set => {
    const result = checkManifests([`${folder}${set}`]);
    expect(result.findings).toEqual([]);
    // What the lab makes pods of.
    expect(result.passedOver).toEqual(set === 'lab/manifests' ? { Deployment: 2 } : {});
  });

  it('all sets together have no fault: no name twice', () => {
    expect(checkManifests(sets.map(([set]) => `${folder}${set}`)).findings).toEqual([]);
  });

  it.each(sets)('%s explains itself: a short README, and a comment above every file', set => {
    const readme = readFileSync(`${folder}${set.replace('/manifests', '')}/README.md`, 'utf8');
    expect(readme.split('\n').length).toBeLessThan(16);
    const files = readdirSync(`${folder}${set}`).filter(each => each.endsWith('.yaml'));
    for (const file of files) expect(readFileSync(`${folder}${set}/${file}`, 'utf8')).toMatch(/^# /);
    // Every file is named in the README, or the folder that it is in.
    for (const file of files) expect(readme).toContain(set.endsWith('/manifests') ? '`manifests/`' : `\`${file}\``);
  });

  it.each(sets)('%s gives the addresses and announces what it is there to show', async (set, expected) => {
    const state = mkdtempSync(join(tmpdir(), 'herald-example-'));
    try {
      const words = ['run', '--manifests', `${folder}${set}`, '--state', state, '--once', '-o', 'json'];
      const { status, out, err } = await herald(...words, '--log-level', 'warn');
      expect([status, err]).toEqual([0, '']);
      const view = JSON.parse(out) as AnnouncedView & { allocated: { addresses: string[] }[] };
      const addresses = [...new Set(view.allocated.flatMap(row => row.addresses))].sort();
      const nodes = new Map<string, string[]>();
      for (const { what, how, node } of view.announced)
        nodes.set(`${what} ${how}`, [...(nodes.get(`${what} ${how}`) ?? []), node]);
      const announced = [...nodes].map(([key, names]) => [key, ...names.sort()].join(' ')).sort();
      expect([addresses.join(' '), ...announced]).toEqual(expected);
    } finally {
      rmSync(state, { recursive: true, force: true });
    }
  });
});
