/**
 * The in-kernel responder and its processes: one is killed, another takes over, one has fewer rights, one cleans up.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PinPlaces } from '../../src/linux/bpf-filesystem.ts';
import { NdResponder } from '../../src/linux/nd-responder.ts';
import { removeTcx, TcxDatapath } from '../../src/linux/tcx.ts';
import { TcxRemains } from '../../src/linux/tcx-pins.ts';
import { namespacesMissing } from '../support/netns.ts';
import { bpfMissing } from '../support/tcx-bench.ts';
import { address4, address6, later, Probing, TcxRig } from '../support/tcx-rig.ts';
import { eventually } from '../support/wait.ts';
import { within } from '../support/within-namespace.ts';

const missing = namespacesMissing() ?? (await bpfMissing());

describe.skipIf(missing !== undefined)(
  `the in-kernel responder over processes${missing ? ` (${missing})` : ''}`,
  () => {
    let rig: TcxRig;
    beforeEach(() => {
      rig = new TcxRig();
    });
    afterEach(() => rig.close());

    it('goes on answering when its process is killed, until the deadline, and then falls silent', async () => {
      const [child, { deadlineMs = 0 }] = await rig.agent({ rows: [address4, address6], forMs: 2000 });
      await rig.expectAnswer(address4);
      await rig.kill(child);
      const probing = new Probing(rig.station);
      await probing.run(deadlineMs + 200);
      const { probes } = probing;
      const before = probes.filter(probe => probe.sentMs < deadlineMs - 300);
      expect(before.length).toBeGreaterThan(0);
      expect(before.filter(probe => !probe.isAnswered)).toEqual([]);
      expect(probes.filter(probe => probe.askedMs >= deadlineMs && probe.isAnswered)).toEqual([]);
    });

    it('loses no question at 1 ms spacing while its process is killed and another one takes over', async () => {
      const [first, told] = await rig.agent({ rows: [address4, address6], forMs: 600_000 });
      expect(told).toMatchObject({ pins: { directory: join(rig.places.own, 'herald', 'v1') }, found: [] });
      const probing = new Probing(rig.station);
      rig.ends.push(() => probing.stop());
      const done = probing.run(later(600_000));
      await rig.kill(first);
      // It writes nothing: rows and deadlines of the one before go on.
      const [second, word] = await rig.agent({});
      expect([...(word.found ?? [])].sort()).toEqual([address4, address6]);
      await rig.kill(second);
      const [, third] = await rig.agent({ rows: [address4, address6, '192.0.2.60'], forMs: 600_000 });
      expect(third.problem).toBeUndefined();
      probing.stop();
      await done;
      expect(probing.probes.length).toBeGreaterThan(100);
      await eventually('every answer', () => probing.unanswered() === 0, {
        detail: () => `${probing.unanswered()} lost`,
      });
      await rig.expectAnswer('192.0.2.60');
    });

    it('ends with its process when there is no bpffs and none may be mounted, and says so', async () => {
      const [child, { pins }] = await rig.agent(
        { rows: [address4], forMs: 600_000 },
        ...['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
      );
      expect(pins).toEqual({ unpinned: expect.stringMatching(/no bpffs is mounted at .*; mount\(bpf, .*EPERM/) });
      await rig.expectAnswer(address4);
      await rig.kill(child);
      await rig.expectSilence(address4);
    });

    it('wants CAP_BPF and CAP_NET_ADMIN, no other user and no other capability', async () => {
      const datapath = await rig.answering();
      await rig.leave(datapath, { keep: true });
      const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
      const has = (caps: string) => [...user, `--inh-caps=-all,${caps}`, `--ambient-caps=-all,${caps}`];
      // A bpffs as a host has it, with a directory in it that is the user's.
      const whole = { ...rig.places, own: join(rig.folder, 'host'), name: 'bpf' };
      await (await TcxDatapath.open(whole)).close({ keep: true });
      const theirs: PinPlaces = { host: join(whole.own, 'bpf'), own: join(rig.folder, 'other'), name: 'theirs' };
      const own = join(theirs.host, 'theirs');
      mkdirSync(own);
      rig.node.run('chown', '65534:65534', own);
      rig.node.run('chmod', '755', rig.folder, whole.own, theirs.host);
      const work = { places: theirs, rows: [address4], forMs: 600_000 };
      const [child, word] = await rig.agent(work, ...has('+bpf,+net_admin'));
      expect(word).toMatchObject({ pins: { directory: join(own, 'v1') }, found: [] });
      await rig.kill(child);
      await removeTcx(rig.places);
      await rig.expectAnswer(address4);
      for (const caps of ['+net_admin', '+bpf']) {
        const [, refused] = await rig.agent(work, ...has(caps));
        expect(refused).toEqual({ unavailable: 'bpf-denied' });
      }
      await removeTcx(theirs);
      await removeTcx(whole);
    });

    it('leaves nothing: not on close, not after a cleanup beside a living agent', async () => {
      const datapath = await rig.answering();
      expect(readdirSync(join(rig.places.own, 'herald', 'v1')).sort()).toEqual([
        'answers',
        'deadlines',
        `link-${rig.link.index}`,
        'links',
        'rows',
        'stations',
      ]);
      await rig.leave(datapath, { keep: false });
      expect(existsSync(rig.places.own)).toBe(false);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(rig.folder);
      await rig.expectSilence(address4);

      await rig.agent({ rows: [address4], forMs: 600_000 });
      await rig.expectAnswer(address4);
      const gone = await removeTcx(rig.places);
      expect(gone).toContain(join(rig.places.own, 'herald', 'v1', `link-${rig.link.index}`));
      await rig.expectSilence(address4);
      expect(existsSync(rig.places.own)).toBe(false);
      expect(await removeTcx(rig.places)).toEqual([]);
    });

    it('hears solicitations with no process there, on a device that filters multicast', async () => {
      const group = '33:33:ff:00:00:50';
      rig.node.ip('link', 'add', 'mv', 'link', 'va', 'type', 'macvlan', 'mode', 'bridge');
      rig.node.ip('link', 'set', 'mv', 'up');
      rig.look('mv');
      const filter = () => rig.node.ip('maddr', 'show', 'dev', 'mv');
      expect(filter()).not.toContain(group);
      const [child] = await rig.agent({ rows: [address4, address6], forMs: 600_000 });
      await rig.kill(child);
      await rig.expectAnswer(address6);

      // Taken over, it goes with its last row; and with everything else in a cleanup.
      const next = await rig.open();
      rig.attach(next, rig.link);
      expect(filter()).toContain(group);
      next.program(rig.rows('session', address4));
      expect(filter()).not.toContain(group);
      next.program(rig.rows('session', address4, address6));
      await rig.expectAnswer(address6);
      await rig.leave(next, { keep: true });
      expect(filter()).toContain(group);
      const remains = await TcxRemains.find(rig.places);
      within(rig.node, () => remains.end());
      expect(filter()).not.toContain(group);
    });

    it('is ended by a responder that does without it, once that one knows its own rows', async () => {
      const [child] = await rig.agent({ rows: [address4], forMs: 600_000 });
      await rig.kill(child);
      const events = { heard: () => {}, changed: () => {} };
      const responder = await NdResponder.open({ datapath: 'socket', places: rig.places }, events);
      rig.ends.push(() => responder.close({ keep: false }));
      await rig.expectAnswer(address4);
      responder.own([]);
      await rig.expectSilence(address4);
      expect(existsSync(rig.places.own)).toBe(false);
    });

    it('leaves a link that it does not have itself alone until it has rows', async () => {
      const former = await rig.answering();
      await rig.leave(former, { keep: true });
      const next = await rig.open();
      rig.attach(next);
      await rig.expectAnswer(address4);
      next.program([]);
      await rig.expectSilence(address4);
      expect(existsSync(join(rig.places.own, 'herald', 'v1', `link-${rig.link.index}`))).toBe(false);
    });

    it('takes the place of one with another layout once it has its own rows, and not before', async () => {
      const datapath = await rig.answering();
      await rig.leave(datapath, { keep: true });
      const root = join(rig.places.own, 'herald');
      rig.node.run('mv', join(root, 'v1'), join(root, 'v0'));
      const next = await rig.open();
      expect(next.rows()).toEqual([]);
      rig.attach(next, rig.link);
      await rig.expectAnswer(address4);
      next.program(rig.rows('session', address6));
      next.deadlines({ sessionMs: later(600_000), holdMs: 0 });
      expect(readdirSync(root)).not.toContain('v0');
      await rig.expectSilence(address4);
      await rig.expectAnswer(address6);
    });
  },
);
