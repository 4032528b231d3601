/** The local HTTP server on a real unix socket and a real port. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../../src/cli/client.ts';
import { CommandError } from '../../src/cli/command.ts';
import { HttpServer, jsonAnswer, RequestError, textAnswer } from '../../src/runtime/http.ts';

let dir: string;
let servers: HttpServer[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'herald-http-'));
  servers = [];
});

afterEach(async () => {
  await Promise.all(servers.map(server => server.close()));
  rmSync(dir, { recursive: true });
});

function server(): HttpServer {
  const made = new HttpServer({
    '/big': () => jsonAnswer({ count: 2n ** 70n }),
    '/echo': query => jsonAnswer({ said: query.get('say') }),
    '/text': () => textAnswer('plain\n'),
    '/refuse': () => {
      throw new RequestError(400, 'name a Service as NAMESPACE/NAME');
    },
    '/broken': async () => {
      throw new Error('out of cheese');
    },
  });
  servers.push(made);
  return made;
}

describe('the unix socket', () => {
  it('answers with JSON, big numbers as decimal text', async () => {
    const path = join(dir, 'sock');
    await server().listenUnix(path);
    expect(await ask(path, '/big')).toEqual({ count: '1180591620717411303424' });
    expect(await ask(path, '/echo?say=a%20b')).toEqual({ said: 'a b' });
  });

  it('can be used by its owner alone (mode 0600)', async () => {
    const path = join(dir, 'sock');
    await server().listenUnix(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('says what was wrong with the request, or that nothing is there', async () => {
    const path = join(dir, 'sock');
    await server().listenUnix(path);
    await expect(ask(path, '/refuse')).rejects.toThrow(new CommandError('name a Service as NAMESPACE/NAME'));
    await expect(ask(path, '/broken')).rejects.toThrow('out of cheese');
    await expect(ask(path, '/nowhere')).rejects.toThrow('nothing at /nowhere');
    await expect(ask(path, '/constructor')).rejects.toThrow('nothing at /constructor');
  });

  it('takes over from a dead owner, never from a living one', async () => {
    const path = join(dir, 'sock');
    writeFileSync(path, 'left behind');
    await server().listenUnix(path);
    await expect(server().listenUnix(path)).rejects.toThrow('in use by another process');
    expect(await ask(path, '/echo?say=still')).toEqual({ said: 'still' });
  });

  it('tells a client what to do when nobody answers', async () => {
    const path = join(dir, 'none');
    await expect(ask(path, '/echo')).rejects.toThrow(`no Herald answers at ${path}; start`);
  });
});

describe('the port', () => {
  it('answers GET and refuses the rest', async () => {
    const port = await server().listenTcp('127.0.0.1', 0);
    const text = await fetch(`http://127.0.0.1:${port}/text`);
    expect([text.status, await text.text()]).toEqual([200, 'plain\n']);
    const posted = await fetch(`http://127.0.0.1:${port}/text`, { method: 'POST', body: 'x'.repeat(100_000) });
    expect(posted.status).toBe(405);
  });

  it('rejects when the address is taken', async () => {
    const port = await server().listenTcp('127.0.0.1', 0);
    await expect(server().listenTcp('127.0.0.1', port)).rejects.toThrow('EADDRINUSE');
  });
});
