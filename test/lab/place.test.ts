/** A place: what is its own (§1: /etc/frr, /var/run/frr, /var/log, /tmp, binds), what it shares, what is left of it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeLab } from '../../src/lab/lab-state.ts';
import { joinPlaces } from '../../src/lab/link.ts';
import { openPlace, type Place, placesOf } from '../../src/lab/place.ts';
import { hostLinks, leftovers } from '../support/lab-leftovers.ts';
import { namespacesMissing } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';

const missing = namespacesMissing();
if (missing !== undefined) console.error(`places are not tested: ${missing}`);

describe.skipIf(missing !== undefined)('a place', { timeout: 120_000 }, () => {
  const lab = `place-${process.pid}`;
  const folder = mkdtempSync('/tmp/herald-place-');
  const links = hostLinks();
  let place: Place;
  let sharer: Place;

  beforeAll(async () => {
    writeFileSync(join(folder, 'conf'), 'from outside\n');
    place = await openPlace({
      lab,
      name: 'a',
      env: { COLOR: 'blue' },
      sysctls: { 'net.ipv4.conf.all.rp_filter': '2' },
      binds: [
        { from: join(folder, 'conf'), to: '/etc/frr/frr.conf', readOnly: false },
        { from: folder, to: '/not/there/before', readOnly: true },
      ],
    });
    sharer = await openPlace({ lab, name: 'b', hostName: 'other', network: place });
  }, 120_000);

  afterAll(async () => {
    await removeLab(lab);
    rmSync(folder, { recursive: true, force: true });
    expect(leftovers(lab, links)).toEqual([]);
  });

  const said = async (where: Place, script: string) => (await where.run(['sh', '-c', script])).stdout.trim();

  it.each([
    ['its host name', 'hostname', 'a'],
    ['its processes', 'ls -d /proc/1 && cat /proc/1/comm', '/proc/1\nsh'],
    ['its variables', 'echo $COLOR', 'blue'],
    ['its sysctls', 'cat /proc/sys/net/ipv4/conf/all/rp_filter', '2'],
    ['addresses at once: none is probed for', 'cat /proc/sys/net/ipv6/conf/all/accept_dad', '0'],
    ['a bound file, over what is fresh', 'cat /etc/frr/frr.conf', 'from outside'],
    ['a bound folder where there was none', 'cat /not/there/before/conf', 'from outside'],
    ['the root as where commands are run', 'pwd', '/'],
    ['nothing of this host in sight', 'ls -A /.host /tmp 2>/dev/null', '/tmp:'],
  ])('has %s', async (_, script, wanted) => expect(await said(place, script)).toBe(wanted));

  it.each([
    ['a file anywhere', 'touch /usr/share/herald-place && ls /usr/share/herald-place', '/usr/share/herald-place'],
    ['a file that is there', 'echo x > /etc/hostname && cat /etc/hostname', '/etc/hostname-of-a-place'],
    ['/tmp', 'echo > /tmp/herald-place && ls /tmp/herald-place', '/tmp/herald-place'],
    ['/var/log', 'echo > /var/log/herald-place && ls /var/log/herald-place', '/var/log/herald-place'],
    ['/run', 'echo > /run/herald-place && ls /run/herald-place', '/run/herald-place'],
  ])('writes %s, and this host has nothing of it', async (_, script, path) => {
    const before = readFileSync('/etc/hostname', 'utf8');
    expect((await place.run(['sh', '-c', script])).status).toBe(0);
    expect(existsSync(path)).toBe(false);
    expect(readFileSync('/etc/hostname', 'utf8')).toBe(before);
  });

  it('writes to what is bound, and not where that is read only', async () => {
    expect((await place.run(['sh', '-c', 'echo inside > /etc/frr/frr.conf'])).status).toBe(0);
    expect(readFileSync(join(folder, 'conf'), 'utf8')).toBe('inside\n');
    expect((await place.run(['touch', '/not/there/before/x'])).status).not.toBe(0);
    writeFileSync(join(folder, 'conf'), 'from outside\n');
  });

  it('shares the lab’s folder, and a network with who asks for it, and nothing else', async () => {
    writeFileSync(`/run/herald-lab/${lab}/note`, 'x');
    expect(
      await said(sharer, `cat /run/herald-lab/${lab}/note; hostname; ls /usr/share/herald-place 2>&1 | wc -l`),
    ).toBe('xother\n1');
    await place.run(['ip', 'link', 'add', 'name', 'seen', 'type', 'bridge']);
    expect(await said(sharer, 'ls -d /sys/class/net/seen')).toBe('/sys/class/net/seen');
    expect(existsSync('/sys/class/net/seen')).toBe(false);
  });

  it.each<[string, string, { status: number; stdout: string; stderr: string }]>([
    [
      'what a command says and its status',
      `sh -c 'echo out; echo err >&2; exit 3'`,
      { status: 3, stdout: 'out\n', stderr: 'err\n' },
    ],
    ['128 and the signal that ended it', `sh -c 'kill -9 $$'`, { status: 137, stdout: '', stderr: '' }],
    ['nothing to read', 'cat', { status: 0, stdout: '', stderr: '' }],
    [
      'no waiting for a daemon that keeps the output open',
      `sh -c 'sleep 600 & echo on'`,
      { status: 0, stdout: 'on\n', stderr: '' },
    ],
  ])('a command has %s', async (_, line, ran) => expect(await place.exec(line)).toEqual(ran));

  it('a command that takes too long is ended', async () => {
    const { status } = await place.exec('sleep 600', { timeoutMs: 200 });
    expect(status).toBe(137);
    expect(await said(place, 'ps ax | grep -c "[s]leep 600"')).toBe('1');
  });

  it('starts a program that stays, and whose signals reach it', async () => {
    const log = `/run/herald-lab/${lab}/log`;
    const script = `trap 'echo told; exit' TERM; echo on; while :; do sleep 0.05; done`;
    const pid = await place.spawn(['sh', '-c', script], { log });
    await eventually('it runs', () => readFileSync(log, 'utf8') === 'on\n', { limitMs: 30_000 });
    process.kill(pid, 'SIGTERM');
    await eventually('it was told', () => readFileSync(log, 'utf8') === 'on\ntold\n', { limitMs: 30_000 });
  });

  it('keeps no dead process', async () => {
    await place.exec(`sh -c 'sh -c "sleep 0.01 & exit" &'`);
    const dead = () => said(place, 'ps axo stat | grep -c ^Z');
    await eventually('they are gone', async () => (await dead()) === '0', { limitMs: 30_000 });
  });

  it('is linked to another, and to this host', async () => {
    const other = await openPlace({ lab, name: 'c' });
    await joinPlaces(
      { place, interface: 'eth1', mac: '02:00:00:00:00:07' },
      { place: other, interface: 'eth1' },
      { mtu: 1400 },
    );
    const name = `hl${process.pid % 100_000}`;
    await joinPlaces({ place: other, interface: 'up' }, { place: 'host', interface: name });
    expect(
      await said(place, 'cat /sys/class/net/eth1/address /sys/class/net/eth1/mtu /sys/class/net/eth1/operstate'),
    ).toBe('02:00:00:00:00:07\n1400\nup');
    expect(hostLinks()).toContain(name);
    await other.close();
    expect(placesOf(lab).map(each => each.name)).toEqual(['a', 'b']);
    await eventually('the link is gone', () => !hostLinks().includes(name), { limitMs: 60_000 });
  });
});
