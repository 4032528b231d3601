/** Services that share an address: P55-P77 of the reference's §3.1. */
import { describe, expect, it } from 'vitest';
import { IpamWorld, pool, type ServiceOptions, service } from './ipam-world.ts';

const local = { externalTrafficPolicy: 'Local' };

function sharing(path: string, key: string, port: string, more: ServiceOptions = {}) {
  return service(path, { ...more, ports: [port], notes: { 'sharing-key': key, ...more.notes } });
}

function world(...services: readonly Record<string, unknown>[]): Promise<IpamWorld> {
  return new IpamWorld().put(pool('pool-a', ['10.0.10.0/24']), ...services).settle();
}

describe('sharing keys', () => {
  it('P55, P56: one key shares, another does not; the last sharer frees it; who collides gets another', async () => {
    const c = sharing('c', 'key-b', '80', { createdMs: 1000 });
    const w = await world(sharing('a', 'key-a', '80'), sharing('b', 'key-a', '81'), c);
    expect([w.held('a'), w.held('b'), w.held('c')]).toEqual([['10.0.10.0'], ['10.0.10.0'], ['10.0.10.1']]);
    expect(w.counts('pool-a')).toBe('256/254/2');
    await w.remove('a', 'b').settle();
    expect(w.counts('pool-a')).toBe('256/255/1');
    await w.put(sharing('a', 'key-b', '80', { uid: 'a2', createdMs: 2000 })).settle();
    await w.put(sharing('b', 'key-b', '81', { uid: 'b2', createdMs: 3000 })).settle();
    expect([w.held('a'), w.held('b'), w.held('c')]).toEqual([['10.0.10.0'], ['10.0.10.1'], ['10.0.10.1']]);
    await w.restart().settle();
    expect([w.held('a'), w.held('b'), w.held('c')]).toEqual([['10.0.10.0'], ['10.0.10.1'], ['10.0.10.1']]);
  });

  it('P57: the address stays used until its last sharer goes', async () => {
    const w = await world(sharing('b', 'key-b', '81'), sharing('c', 'key-b', '80'));
    await w.remove('c').settle();
    expect([w.held('b'), w.counts('pool-a')]).toEqual([['10.0.10.0'], '256/255/1']);
    await w.remove('b').settle();
    expect(w.counts('pool-a')).toBe('256/256/0');
  });

  it.each(['a', 'b'])('P58: the sharer that changes its key moves (%s), the other keeps the address', async mover => {
    const w = await world(sharing('a', 'key-a', '80'), sharing('b', 'key-a', '81'));
    await w.edit(sharing(mover, 'key-b', mover === 'a' ? '80' : '81')).settle();
    const stays = mover === 'a' ? 'b' : 'a';
    expect([w.held(stays), w.held(mover)]).toEqual([['10.0.10.0'], ['10.0.10.1']]);
  });

  it('P59: the sharer whose port now collides moves', async () => {
    const w = await world(sharing('a', 'key-a', '80'), sharing('b', 'key-a', '81'));
    await w.edit(sharing('b', 'key-a', '80')).settle();
    expect([w.held('a'), w.held('b')]).toEqual([['10.0.10.0'], ['10.0.10.1']]);
  });

  it('P60: one port with two protocols shares', async () => {
    const w = await world(sharing('a', 'key-a', 'TCP/80'), sharing('b', 'key-a', 'UDP/80'));
    expect([w.held('a'), w.held('b')]).toEqual([['10.0.10.0'], ['10.0.10.0']]);
  });

  it('P61: a sharer that is deleted and made again gets the shared address again', async () => {
    const w = await world(sharing('a', 'key-a', '80'), sharing('b', 'key-a', '81'));
    await w.remove('b').settle();
    await w.put(sharing('b', 'key-a', '81', { uid: 'again' })).settle();
    expect(w.held('b')).toEqual(['10.0.10.0']);
  });

  it.each([
    ['P62', 'ns-b', '*', true],
    ['P63', 'ns-b', '', false],
    ['P64', 'ns-x, ns-b , ns-y', ' ns-a ', true],
    ['P65', '', '*', false],
    ['P65', 'ns-c', '*', false],
  ])('%s: namespaces permit each other (%s, %s): %s', async (_, a, b, shared) => {
    const permitting = (text: string) => ({ notes: { 'sharing-cross-namespace': text } });
    const w = await world(
      sharing('ns-a/a', 'key-a', '80', permitting(a)),
      sharing('ns-b/b', 'key-a', '81', permitting(b)),
    );
    expect(w.held('ns-a/a')).toEqual(['10.0.10.0']);
    expect(w.held('ns-b/b')).toEqual([shared ? '10.0.10.0' : '10.0.10.1']);
  });

  it.each([
    ['P66', local, undefined, undefined, false],
    ['P67', local, 'true', 'true', true],
    ['P68', local, 'true', 'false', false],
    ['P70', {}, undefined, undefined, true],
    ['P70', {}, 'true', 'false', true],
  ])('%s: other pods, %j, opted in %s and %s: %s', async (_, spec, a, b, shared) => {
    const pods = (app: string, optIn: string | undefined) => ({
      spec: { ...spec, selector: { app } },
      ...(optIn !== undefined && { notes: { 'sharing-permit-different-pods': optIn } }),
    });
    const w = await world(sharing('a', 'key-a', '80', pods('a', a)), sharing('b', 'key-a', '81', pods('b', b)));
    expect([w.held('a'), w.held('b')]).toEqual([['10.0.10.0'], [shared ? '10.0.10.0' : '10.0.10.1']]);
  });

  it.each([
    'a',
    'b',
  ])('P69: the one whose opt-in is taken back moves (%s), the other keeps the address', async mover => {
    const pods = (app: string, optIn: string) =>
      sharing(app, 'key-a', app === 'a' ? '80' : '81', {
        spec: { ...local, selector: { app } },
        notes: { 'sharing-permit-different-pods': optIn },
      });
    const w = await world(pods('a', 'true'), pods('b', 'true'));
    await w.edit(pods(mover, 'false')).settle();
    expect([w.held(mover === 'a' ? 'b' : 'a'), w.held(mover)]).toEqual([['10.0.10.0'], ['10.0.10.1']]);
  });

  it.each([
    ['true', true, false],
    ['TRUE', true, false],
    ['1', true, false],
    ['t', true, false],
    ['false', false, false],
    ['FALSE', false, false],
    ['0', false, false],
    ['', false, false],
    ['yes', false, true],
    ['garbage', false, true],
  ])('P71: opt-in %j is %s, and said to be unreadable: %s', async (text, on, unreadable) => {
    const pods = (app: string, port: string, optIn: string) =>
      sharing(app, 'key-a', port, {
        spec: { ...local, selector: { app } },
        notes: { 'sharing-permit-different-pods': optIn },
      });
    const w = await world(pods('a', '80', 'true'), pods('b', '81', text));
    expect(w.held('b')).toEqual([on ? '10.0.10.0' : '10.0.10.1']);
    expect(w.conditions('b').some(each => each.type === 'herald.io/IPAMRequestUnreadable')).toBe(unreadable);
  });

  it('P72, P73: sharers that arrive with their addresses keep them', async () => {
    const w = await world(
      sharing('one', 'key-z', '80', { ingress: ['10.0.10.200'] }),
      sharing('two', 'key-z', '81', { ingress: ['10.0.10.200'] }),
      sharing('a', 'key-a', '80', { ingress: ['10.0.10.123'] }),
      sharing('b', 'key-a', '80', { ingress: ['10.0.10.124'] }),
      service('c', { ports: ['81', '82'], notes: { 'sharing-key': 'key-a' }, ingress: ['10.0.10.124'] }),
    );
    expect([w.held('one'), w.held('two')]).toEqual([['10.0.10.200'], ['10.0.10.200']]);
    expect([w.held('a'), w.held('b'), w.held('c')]).toEqual([['10.0.10.123'], ['10.0.10.124'], ['10.0.10.124']]);
    expect(w.counts('pool-a')).toBe('256/253/3');
  });

  it('P74: key and requested address edited together: it joins the new address and leaves the old', async () => {
    const asking = (key: string, ips: string) => sharing('c', key, '82', { notes: { ips } });
    const w = await world(
      sharing('a', 'key-1', '80', { notes: { ips: '10.0.10.22' } }),
      sharing('b', 'key-2', '81', { notes: { ips: '10.0.10.33' } }),
      asking('key-2', '10.0.10.33'),
    );
    expect(w.held('c')).toEqual(['10.0.10.33']);
    await w.edit(asking('key-1', '10.0.10.22')).settle();
    expect([w.held('a'), w.held('b'), w.held('c')]).toEqual([['10.0.10.22'], ['10.0.10.33'], ['10.0.10.22']]);
    expect(w.counts('pool-a')).toBe('256/254/2');
  });

  it('P75: who asks for nothing in particular joins who asked for an address', async () => {
    const w = await world(sharing('a', 'key-a', '80', { notes: { ips: '10.0.10.22' } }), sharing('b', 'key-a', '81'));
    expect(w.held('b')).toEqual(['10.0.10.22']);
  });

  it('P76: four with one key and two ports: two addresses, each with both ports', async () => {
    const w = await world(...['80', '81', '80', '81'].map((port, i) => sharing(`svc-${i}`, 'key-a', port)));
    expect([0, 1, 2, 3].map(i => w.held(`svc-${i}`)[0])).toEqual(['10.0.10.0', '10.0.10.0', '10.0.10.1', '10.0.10.1']);
    expect(w.counts('pool-a')).toBe('256/254/2');
  });

  const asked = "The IP '10.0.10.5' is already allocated to";
  it.each([
    ['no key', {}, `False already_allocated: ${asked} another service`],
    [
      'another key',
      { 'sharing-key': 'key-b' },
      `False already_allocated_incompatible_service: ${asked} an incompatible service. Reason: different sharing key`,
    ],
    [
      'the same port',
      { 'sharing-key': 'key-a' },
      `False already_allocated_incompatible_service: ${asked} an incompatible service. Reason: same port and protocol`,
    ],
  ])('P77: a held address requested with %s', async (_, notes, condition) => {
    const w = await world(
      sharing('a', 'key-a', '80', { notes: { ips: '10.0.10.5' } }),
      service('b', { createdMs: 1000, ports: ['80'], notes: { ips: '10.0.10.5', ...notes } }),
    );
    expect([w.held('b'), w.condition('b')]).toEqual([[], condition]);
  });

  it('the old annotations count too', async () => {
    const w = await world(
      service('ns-a/a', {
        ports: ['80'],
        annotations: { 'io.cilium/lb-ipam-sharing-key': 'k', 'io.cilium/lb-ipam-sharing-cross-namespace': '*' },
      }),
      service('ns-b/b', { ports: ['81'], notes: { 'sharing-key': 'k', 'sharing-cross-namespace': '*' } }),
    );
    expect(w.held('ns-a/a')).toEqual(w.held('ns-b/b'));
  });
});
