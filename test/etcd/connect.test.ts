/** `herald mesh connect` against real etcds with real certificates: who issued what, and what two authorities need. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MeshKey } from '../../src/mesh/key.ts';
import { startHerald } from '../support/run-herald.ts';
import { Authority, Etcd, etcdMissing } from './server.ts';

const folder = mkdtempSync(join(tmpdir(), 'hrld-connect-'));

async function eastEtcd(tls: Authority, clientCa = tls.ca): Promise<Etcd> {
  const etcd = await Etcd.start({ tls, clientCa });
  etcd.put(MeshKey.clusterConfig('east'), '{"id":2,"capabilities":{"maxConnectedClusters":255}}');
  return etcd;
}

const skipped = etcdMissing === undefined ? '' : `: skipped, no ${etcdMissing}`;

describe.skipIf(etcdMissing !== undefined)(`herald mesh connect${skipped}`, () => {
  let east: Authority;
  let west: Authority;
  let etcd: Etcd;

  beforeAll(async () => {
    east = new Authority('east CA');
    west = new Authority('west CA');
    etcd = await eastEtcd(east);
  }, 60_000);

  afterAll(async () => {
    await etcd?.stop();
    east?.close();
    west?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const connect = (to: Etcd, ca: Authority, client: Authority, ...more: string[]) => {
    const { cert, key } = client.issue('remote');
    const own = ['--cluster-name', 'west', '--cluster-id', '1', '--clustermesh-config', folder];
    const words = [to.endpoint, '--ca', ca.ca, '--cert', cert, '--key', key, ...own, ...more];
    return startHerald(['mesh', 'connect', 'east', ...words]).finished;
  };

  it('one authority for both clusters: says so, and writes the file', async () => {
    const { status, out } = await connect(etcd, east, east, '--own-ca', east.ca);
    expect(out).toMatch(/CAs of both clusters +ok +both have CN=east CA \(SHA-256 [0-9A-F:]{23}…\)/);
    expect(out).toMatch(/issuer of the client certificate +ok +the other cluster’s CA/);
    expect(out).toContain(`wrote ${join(folder, 'east')}`);
    expect(status).toBe(0);
    expect(readFileSync(join(folder, 'east'), 'utf8')).toContain(east.ca);
    rmSync(join(folder, 'east'));
  }, 60_000);

  it('a server whose certificate is another authority’s: names both, and writes nothing', async () => {
    const { status, out, err } = await connect(etcd, west, east);
    expect(out).toMatch(/TLS +failed +.*certificate was issued by CN=east CA.*, the CA given is CN=west CA \(SHA-256/);
    expect(err).toContain('nothing was written');
    expect(status).not.toBe(0);
    expect(existsSync(join(folder, 'east'))).toBe(false);
  }, 60_000);

  it('another authority of the same name is another authority', async () => {
    const twin = new Authority('east CA');
    try {
      const { out, status } = await connect(etcd, twin, east, '--own-ca', east.ca);
      expect(out).toMatch(/CAs of both clusters +warning +they differ: theirs is CN=east CA/);
      expect(out).toMatch(/TLS +failed/);
      expect(status).not.toBe(0);
    } finally {
      twin.close();
    }
  }, 60_000);

  it('a client certificate of our own authority, which theirs does not trust: says what it needs', async () => {
    const { status, out } = await connect(etcd, east, west, '--own-ca', west.ca);
    expect(out).toMatch(/they differ: theirs is CN=east CA .*, ours is CN=west CA .*each etcd needs both/);
    expect(out).toMatch(/issuer of the client certificate +warning +our own CA: .*--trusted-ca-file/);
    expect(out).toMatch(/etcd +failed/);
    expect(status).not.toBe(0);
    expect(existsSync(join(folder, 'east'))).toBe(false);
  }, 60_000);

  it('the same where their etcd trusts both; our authority is found in our own file', async () => {
    const both = join(folder, 'both.pem');
    writeFileSync(both, readFileSync(east.ca, 'utf8') + readFileSync(west.ca, 'utf8'));
    writeFileSync(join(folder, 'west'), `endpoints:\n- https://127.0.0.1:2379\ntrusted-ca-file: ${west.ca}\n`);
    const trusting = await eastEtcd(east, both);
    try {
      const { status, out } = await connect(trusting, east, west);
      expect(out).toMatch(/CAs of both clusters +warning/);
      expect(out).toMatch(/etcd +ok/);
      expect(status).toBe(0);
      expect(readFileSync(join(folder, 'east'), 'utf8')).toContain(`trusted-ca-file: "${east.ca}"`);
    } finally {
      await trusting.stop();
    }
  }, 60_000);

  it('a certificate that is no authority’s is not taken for one', async () => {
    const leaf = east.issue('remote');
    const words = ['--ca', leaf.cert, '--cluster-name', 'west', '--cluster-id', '1', '--clustermesh-config', folder];
    const { out, status } = await startHerald(['mesh', 'connect', 'east', etcd.endpoint, ...words]).finished;
    expect(out).toMatch(/CA certificate +failed +CN=remote is no authority’s certificate/);
    expect(status).not.toBe(0);
  }, 60_000);
});
