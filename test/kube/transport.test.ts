/** Requests, lists and watches against a server that throttles, rotates, stalls and talks garbage. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Api, ApiError } from '../../src/kube/api.ts';
import { Connection } from '../../src/kube/connection.ts';
import { type Credentials, TokenFile } from '../../src/kube/credentials.ts';
import { resourceOf } from '../../src/kube/paths.ts';
import { Reflector, type ReflectorState } from '../../src/kube/reflector.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { eventually } from '../support/wait.ts';
import { type Asked, FakeServer, say, sayLines } from './fake-server.ts';
import { Wire } from './wire.ts';

const clock = systemClock;
const random = Math.random;
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

async function serve(answer: (asked: Asked) => void): Promise<FakeServer> {
  const server = await FakeServer.start(answer);
  ends.push(() => server.close());
  return server;
}

function apiOf(server: FakeServer, more: Partial<Credentials> = {}): Api {
  const api = new Api({ credentials: server.credentials(more), clock, random });
  ends.push(() => api.close());
  return api;
}

const get = { method: 'GET', path: '/api/v1/x' } as const;

describe('a request', () => {
  it('that is throttled (429) is sent again after the time the answer says', async () => {
    const server = await serve(({ stream }) =>
      server.asked.length < 3 ? say(stream, 429, 'slow down', { 'retry-after': '0.05' }) : say(stream, 200, { a: 1 }),
    );
    expect(await apiOf(server).call('status', get)).toEqual({ a: 1 });
    expect(server.asked).toHaveLength(3);
  });

  it('of a lease does not wait for others that are throttled', async () => {
    const server = await serve(({ stream, path }) =>
      path.endsWith('lease') ? say(stream, 200, {}) : say(stream, 429, '', { 'retry-after': '30' }),
    );
    const api = apiOf(server);
    const others = Promise.allSettled(
      Array.from({ length: 50 }, () => api.call('status', { ...get, timeoutMs: 2000 })),
    );
    await eventually('one is throttled', () => server.asked.length > 0);
    await api.lease({ ...get, path: '/lease' });
    expect((await others).every(each => each.status === 'rejected')).toBe(true);
    // Held back by the first refusals, not sent over and over.
    expect(server.asked.length).toBeLessThan(60);
  });

  it('that is refused rejects with the reason of the Status', async () => {
    const status = { kind: 'Status', code: 403, reason: 'Forbidden', message: 'you may not' };
    const server = await serve(({ stream }) => say(stream, 403, status));
    const error = await apiOf(server)
      .call('object', get)
      .catch(each => each);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: 403, reason: 'Forbidden', message: 'you may not' });
  });

  it('that nobody answers ends in its time', async () => {
    const server = await serve(({ stream, path }) => void (path === '/first' && say(stream, 200, {})));
    const api = apiOf(server);
    // To connect may take longer than this, and is another failure.
    await api.call('object', { ...get, path: '/first' });
    await expect(api.call('object', { ...get, timeoutMs: 100 })).rejects.toThrow('no answer in');
  });

  it('is sent once more with the token of that moment when it is not known (401)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-token-'));
    ends.push(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'token');
    writeFileSync(path, 'old\n');
    const file = new TokenFile(path, clock);
    const server = await serve(({ stream, authorization }) =>
      say(stream, authorization === 'Bearer new' ? 200 : 401, { authorization }),
    );
    const headers = async () => ({ authorization: `Bearer ${file.token()}` });
    const api = apiOf(server, { headers, refused: () => file.refused() });
    await expect(api.call('object', get)).rejects.toMatchObject({ code: 401 });
    writeFileSync(path, 'new\n');
    expect(await api.call('object', get)).toEqual({ authorization: 'Bearer new' });
    expect(server.asked.map(each => each.authorization)).toEqual(['Bearer old', 'Bearer old', 'Bearer new']);
  });

  it('finds out by pings that the other end is gone without a word', async () => {
    const server = await serve(({ stream }) => sayLines(stream, 'begun'));
    const wire = await Wire.to(server.port);
    ends.push(() => void wire.cut());
    const connection = new Connection(wire.credentials(server.credentials()), clock, random, {
      pingMs: 50,
      pongMs: 50,
    });
    ends.push(() => connection.close());
    const heard: string[] = [];
    const done = connection.request(
      { ...get, timeoutMs: 60_000 },
      { take: bytes => heard.push(`${bytes}`), begun: () => {} },
    );
    await eventually('the beginning', () => heard.length > 0);
    wire.freeze();
    await expect(done).rejects.toThrow('no sign of life');
  });
});

describe('a reflector', () => {
  const lease = (name: string, resourceVersion: string) => ({
    metadata: { name, namespace: 'kube-system', resourceVersion },
    spec: {},
  });
  const end = (resourceVersion: string) => ({
    type: 'BOOKMARK',
    object: { metadata: { resourceVersion, annotations: { 'k8s.io/initial-events-end': 'true' } } },
  });

  /** Keys of what there is, as told. */
  function reflect(server: FakeServer) {
    const there = new Set<string>();
    const states: ReflectorState['at'][] = [];
    const reflector = new Reflector({
      api: apiOf(server),
      clock,
      random,
      resources: [resourceOf('Lease')],
      moved: ({ at }) => states.push(at),
      sink: {
        put: (_, { metadata }) => there.add((metadata as { name: string }).name),
        delete: (_, { metadata }) => there.delete((metadata as { name: string }).name),
        keepOnly: keys => {
          for (const name of there) if (!keys.has(`kube-system/${name}`)) there.delete(name);
        },
      },
    });
    ends.push(() => reflector.close());
    reflector.start();
    return { there, states, reflector };
  }

  it('takes a streaming list for whole at its bookmark, and goes on from there', async () => {
    const server = await serve(({ stream, path }) => {
      if (!path.includes('sendInitialEvents')) return sayLines(stream, { type: 'ADDED', object: lease('c', '12') });
      sayLines(
        stream,
        { type: 'ADDED', object: lease('a', '7') },
        { type: 'ADDED', object: lease('b', '3') },
        end('10'),
      );
      stream.end();
    });
    const { there } = reflect(server);
    await eventually('all', () => there.size === 3);
    expect(server.asked[1]?.path).toContain('resourceVersion=10');
  });

  it('lists in pages where streaming lists are not served, however many', async () => {
    const pages = 40;
    const server = await serve(({ stream, path }) => {
      if (path.includes('sendInitialEvents')) return say(stream, 422, { message: 'forbidden', code: 422 });
      if (path.includes('watch=true')) return sayLines(stream);
      const page = Number(/continue=(\d+)/.exec(path)?.[1] ?? 0);
      const items = Array.from({ length: 500 }, (_, i) => lease(`l-${page}-${i}`, '1'));
      const next = page + 1 < pages ? { continue: String(page + 1) } : {};
      say(stream, 200, { metadata: { resourceVersion: '50', ...next }, items });
    });
    const { there, reflector } = reflect(server);
    await eventually('all pages', () => reflector.state.at === 'watching');
    expect(there.size).toBe(pages * 500);
    expect(server.asked.at(-1)?.path).toContain('resourceVersion=50');
  });

  it('takes to pages when a streaming list never comes to its end', async () => {
    const server = await serve(({ stream, path }) => {
      if (path.includes('sendInitialEvents')) return sayLines(stream, { type: 'ADDED', object: lease('a', '1') });
      if (path.includes('watch=true')) return sayLines(stream);
      say(stream, 200, { metadata: { resourceVersion: '9' }, items: [lease('b', '1')] });
    });
    const { there, reflector } = reflect(server);
    await eventually('the list', () => reflector.state.at === 'watching');
    expect([...there]).toEqual(['b']);
  });

  it('starts a list over whose pages are gone in the middle of it (410)', async () => {
    let isFirst = true;
    const server = await serve(({ stream, path }) => {
      if (path.includes('sendInitialEvents')) return say(stream, 400, { message: 'unknown', code: 400 });
      if (path.includes('watch=true')) return sayLines(stream);
      if (path.includes('continue=') && isFirst) {
        isFirst = false;
        return say(stream, 410, { message: 'too old', reason: 'Expired', code: 410 });
      }
      const next = path.includes('continue=') ? {} : { continue: 'x' };
      say(stream, 200, {
        metadata: { resourceVersion: '9', ...next },
        items: [lease(path.includes('continue=') ? 'b' : 'a', '1')],
      });
    });
    const { there } = reflect(server);
    await eventually('both', () => there.size === 2);
  });

  it('is out of step from when its place in the history is gone (410) until everything is listed again', async () => {
    const gone = { type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } };
    const lists: (() => void)[] = [];
    const server = await serve(({ stream, path }) => {
      if (!path.includes('sendInitialEvents')) return sayLines(stream);
      const name = lists.length === 0 ? 'a' : 'b';
      sayLines(stream, { type: 'ADDED', object: lease(name, '7') });
      lists.push(() => sayLines(stream, end('10'), ...(name === 'a' ? [gone] : [])));
    });
    const { there, reflector } = reflect(server);
    await eventually('the first list', () => lists.length === 1 && there.has('a'));
    lists[0]?.();
    await eventually('the second', () => lists.length === 2 && there.has('b'));
    expect(reflector.state).toMatchObject({ at: 'broken', isFirst: false, refusals: 0 });
    expect([...there]).toEqual(['a', 'b']);
    lists[1]?.();
    await eventually('its end', () => reflector.state.at === 'watching');
    expect([...there]).toEqual(['b']);
  });

  it.each([
    ['no JSON', 'garbage'],
    ['no object', { type: 'ADDED' }],
    ['an error', { type: 'ERROR', object: { code: 500, message: 'etcd is unwell' } }],
    ['a version from before, as of a store that was restored', { type: 'MODIFIED', object: lease('a', '4') }],
  ])('is not led astray by a watch that says %s', async (_, line) => {
    let watches = 0;
    const server = await serve(({ stream, path }) => {
      if (path.includes('sendInitialEvents'))
        return sayLines(
          stream,
          { type: 'ADDED', object: lease(watches === 0 ? 'a' : 'b', '7') },
          end('10'),
          ...(watches++ === 0 ? [line] : []),
        );
      sayLines(stream, { type: 'ADDED', object: lease('b', '11') });
    });
    const { there } = reflect(server);
    await eventually('what comes after', () => there.has('b'));
  });
});
