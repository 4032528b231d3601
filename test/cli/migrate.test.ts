/** Commands that need no running process: policies translated, and ways explained, from files alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { herald, root } from '../support/run-herald.ts';

const example = `${root}examples/single-tor-bgp`;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'herald-migrate-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('herald migrate peering-policy', () => {
  it('prints objects that `herald check` finds nothing wrong with, and what does not translate', async () => {
    const { out, err, status } = await herald('migrate', 'peering-policy', `${example}/peering.yaml`);
    expect([status, err]).toEqual([0, '']);
    const file = join(folder, 'v2.yaml');
    writeFileSync(file, out);
    const checked = await herald('check', '-o', 'json', file);
    expect(JSON.parse(checked.out)).toMatchObject({ errors: 0, warnings: 0, findings: [] });
    expect(out.match(/^kind: .*$/gm)).toEqual([
      'kind: CiliumBGPAdvertisement',
      'kind: CiliumBGPPeerConfig',
      'kind: CiliumBGPClusterConfig',
    ]);
    expect(out).toMatch(/^# neighbor .* are left out; /m);
    expect(out).toMatch(/^# delete CiliumBGPPeeringPolicy rack0 /m);
  });

  it('says what is wrong with a file that has no policy, or a bad one', async () => {
    const none = await herald('migrate', 'peering-policy', `${example}/pool.yaml`);
    expect([none.status, none.err]).toEqual([1, 'herald: there is no CiliumBGPPeeringPolicy in these files\n']);
    const file = join(folder, 'bad.yaml');
    writeFileSync(
      file,
      'apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata: {name: bad}\nspec: {}\n',
    );
    const bad = await herald('migrate', 'peering-policy', file);
    expect(bad.status).toBe(1);
    expect(bad.err).toContain('bad: spec.virtualRouters');
  });
});

describe('herald explain service --manifests', () => {
  it('follows the way from the pool to the peers that would be told', async () => {
    const words = ['explain', 'service', 'rack1/api', '--manifests', `${root}examples/dual-tor-bgp`];
    const { out, status } = await herald(...words, '--node', 'rack1-1');
    expect(status).toBe(0);
    const lines = out.split('\n').map(line => line.trim().replaceAll(/ +/g, ' '));
    expect(lines).toContain('ok pool rack1 gives 203.0.113.64');
    expect(lines).toContain('node rack1-1, BGP instance fabric');
    expect(lines.some(line => line.startsWith('ok node announces 203.0.113.64/32 '))).toBe(true);
  });

  it('names the broken link; of a Service that is not there it says so', async () => {
    const [manifests, path] = ['--manifests', `${root}examples/dual-tor-bgp`];
    const unknown = await herald('explain', 'service', 'rack1/none', manifests, path);
    expect([unknown.status, unknown.err]).toEqual([1, 'herald: there is no Service rack1/none\n']);
    const elsewhere = await herald('explain', 'service', 'rack1/api', manifests, path, '--node', 'elsewhere');
    expect(elsewhere.status).toBe(1);
    expect(elsewhere.out).toMatch(/BROKEN +policy .*\n.*no-bgp-policy; to mend it: label the node/);
  });
});
