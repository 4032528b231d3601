/** What ordinary tools on the network see of announced addresses, and what people are told by Herald's own commands. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, type LabNode, vips, vips6 } from '../../scripts/failover-l2-lab.ts';
import { startLab } from '../../scripts/failover-l2-rounds.ts';
import type { L2View } from '../../src/runtime/l2-view.ts';
import { namespacesMissing } from '../support/netns.ts';
import { heraldPath } from '../support/run-herald.ts';

const missing = namespacesMissing();
const has = (program: string) => spawnSync('which', [program]).status === 0;

describe.skipIf(missing !== undefined).each(['socket', 'ebpf'] as const)('%s', datapath => {
  let lab: Lab;
  let owners: ReadonlyMap<string, LabNode>;
  beforeAll(async () => {
    lab = await startLab({ datapath, everyMs: 50 });
    owners = await lab.settled('at the beginning');
    lab.stopProbe();
  }, 120_000);
  afterAll(async () => await lab?.close(), 60_000);

  const ownerOf = (address: string): LabNode => owners.get(address) ?? expect.fail(`nobody answers for ${address}`);
  const said = (...words: readonly string[]): string => {
    const [command = '', ...rest] = lab.client.inside(...words);
    const { stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8' });
    return stdout + stderr;
  };

  it.skipIf(!has('arping')).each(vips)('arping %s: the owner’s MAC, exactly one answer', address => {
    const text = said('arping', '-c', '3', '-w', '5', '-I', 'eth0', address).toLowerCase();
    const macs = [...text.matchAll(/([0-9a-f]{2}(?::[0-9a-f]{2}){5})/g)].map(match => match[1]);
    expect(new Set(macs), text).toEqual(new Set([ownerOf(address).mac]));
    expect(macs.length, text).toBe(3);
  });

  it.skipIf(!has('ndisc6')).each(vips6)('ndisc6 %s: the owner’s MAC, exactly one answer', address => {
    const text = said('ndisc6', '-m', '-w', '1000', address, 'eth0').toLowerCase();
    const macs = [...text.matchAll(/link-layer address: ([0-9a-f:]{17})/g)].map(match => match[1]);
    expect(macs, text).toEqual([ownerOf(address).mac]);
  });

  it('herald l2 names owner, link, MAC, datapath and who asked, the same owner on every node', () => {
    for (const node of lab.nodes) {
      const view = JSON.parse(
        node.namespace.run(heraldPath, 'l2', '-o', 'json', '--socket', node.socketPath),
      ) as L2View;
      for (const { address, owner, links, since } of view.rows) {
        expect(owner).toBe(ownerOf(address).name);
        expect(since).toMatch(/^\d{4}-/);
        if (owner !== node.name) expect(links).toEqual([]);
        else expect(links).toMatchObject([{ link: 'eth0', mac: node.mac, datapath }]);
        for (const { answers, lastAsker } of links) expect([answers > 0, lastAsker !== '']).toEqual([true, true]);
      }
    }
    const node = ownerOf(vips[0]);
    const text = node.namespace.run(heraldPath, 'l2', '--socket', node.socketPath);
    expect(text).toMatch(
      new RegExp(`${vips[0]} +default/a +${node.name} +\\S+ +eth0 +${node.mac} +${datapath} +[0-9]+`),
    );
  });

  it('herald explain service follows the address to who answers for it', () => {
    const node = ownerOf(vips[0]);
    const text = node.namespace.run(heraldPath, 'explain', 'service', 'default/a', '--socket', node.socketPath);
    expect(text).toMatch(new RegExp(`ok +l2 +${node.name} answers for ${vips[0]} since .* on eth0 with ${node.mac}`));
  });
});
