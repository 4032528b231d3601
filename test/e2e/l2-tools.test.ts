/** What ordinary tools on the network see of announced addresses, and what people are told by Herald's own commands. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, type LabNode, vips, vips6 } from '../../scripts/failover-l2-lab.ts';
import { startLab } from '../../scripts/failover-l2-rounds.ts';
import { namespacesMissing } from '../support/netns.ts';
import { heraldPath } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

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

  /** An address may move while a busy machine holds its owner up: then asked again. */
  const answersOnce = async (address: string, ask: () => { readonly macs: readonly (string | undefined)[] }) =>
    await eventually(`${address} is answered once, by its owner`, async () => {
      const { rows } = await ownerOf(address).view();
      const owner = lab.node(rows.find(row => row.address === address)?.owner ?? '');
      return ask().macs.join() === owner.mac;
    });

  it.skipIf(!has('arping')).each(vips)('arping %s: the owner’s MAC, exactly one answer', async address => {
    await answersOnce(address, () => {
      const text = said('arping', '-c', '1', '-w', '2', '-I', 'eth0', address).toLowerCase();
      return { macs: [...text.matchAll(/from ([0-9a-f]{2}(?::[0-9a-f]{2}){5})/g)].map(match => match[1]) };
    });
  });

  it.skipIf(!has('ndisc6')).each(vips6)('ndisc6 %s: the owner’s MAC, exactly one answer', async address => {
    await answersOnce(address, () => {
      const text = said('ndisc6', '-m', '-w', '1000', address, 'eth0').toLowerCase();
      return { macs: [...text.matchAll(/link-layer address: ([0-9a-f:]{17})/g)].map(match => match[1]) };
    });
  });

  it('herald l2 names owner, link, MAC, datapath and who asked', async () => {
    const node = ownerOf(vips[0]);
    const text = () => node.namespace.run(heraldPath, 'l2', '--socket', node.socketPath);
    const row = new RegExp(
      `${vips[0]} +default/a +${node.name} +\\S+Z +eth0 +${node.mac} +${datapath} +[0-9]+ +10\\.77`,
    );
    await eventually('the owner says so', () => row.test(text()), { detail: text });
    const others = await Promise.all(lab.nodes.map(async each => (await each.view()).rows.map(({ owner }) => owner)));
    expect(new Set(others.map(each => each.join())).size).toBe(1);
  });

  it('herald explain service follows the address to who answers for it', async () => {
    const node = ownerOf(vips[0]);
    const text = () => node.namespace.run(heraldPath, 'explain', 'service', 'default/a', '--socket', node.socketPath);
    const link = new RegExp(`ok +l2 +${node.name} answers for ${vips[0]} since .* on eth0 with ${node.mac}`);
    await eventually('the chain ends at the owner', () => link.test(text()), { detail: text });
  });
});
