/** The API server that other suites use: who may do what, away and back, reached from a namespace, leaving nothing. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Net, namespacesMissing } from '../netns.ts';
import { eventually } from '../wait.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { kubeMissing } from './programs.ts';

const missing = kubeMissing();

describe.skipIf(missing !== undefined)(`an API server for tests${missing ? `: skipped, ${missing}` : ''}`, () => {
  let server: ApiServer;
  beforeAll(async () => {
    server = await startApiServer({ audit: true });
  }, 180_000);
  afterAll(() => server?.stop());

  it('lets the admin in, by requests and by kubectl', async () => {
    expect((await server.admin.request('GET', '/api/v1/namespaces')).status).toBe(200);
    expect(server.kubectl(['get', 'namespaces', '-o', 'name'])).toContain('namespace/kube-system');
  });

  it('refuses a service account until a role binding says otherwise, and keeps a record of both', async () => {
    const someone = server.serviceAccount('default', 'someone');
    const path = '/api/v1/namespaces/default/services';
    expect((await someone.request('GET', path)).body).toMatchObject({ reason: 'Forbidden' });
    server.kubectl(['create', 'role', 'reader', '--verb=list', '--resource=services']);
    server.kubectl(['create', 'rolebinding', 'reader', '--role=reader', '--serviceaccount=default:someone']);
    await eventually('the role holds', async () => (await someone.request('GET', path)).status === 200);
    const seen = server.audit().filter(each => each.user.username === someone.user);
    expect(seen[0]).toMatchObject({ verb: 'list', objectRef: { resource: 'services', namespace: 'default' } });
    expect(seen.map(each => each.responseStatus?.code)).toContain(403);
  });

  it('comes back on the same port with what it held, after it and its store were killed', async () => {
    server.kubectl(['create', 'configmap', 'kept']);
    await server.killApi();
    await expect(server.admin.request('GET', '/readyz')).rejects.toThrow();
    await server.killEtcd();
    await server.begin();
    expect((await server.admin.request('GET', '/api/v1/namespaces/default/configmaps/kept')).status).toBe(200);
  });

  it('answers 410 to a watch from before a compaction and a restart', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const { body } = await server.admin.request('GET', path);
    const { resourceVersion = '' } = body['metadata'] as { resourceVersion?: string };
    server.kubectl(['create', 'configmap', 'later']);
    server.kubectl(['delete', 'configmap', 'later']);
    await server.compact();
    await server.killApi();
    await server.begin();
    const watched = await server.admin.request('GET', `${path}?watch=1&resourceVersion=${resourceVersion}`);
    expect(JSON.stringify(watched)).toContain('410');
  });

  it.skipIf(namespacesMissing() !== undefined)('is reached from a namespace until it is cut off', async () => {
    const net = new Net();
    try {
      const namespace = net.namespace('n');
      const ask = () => spawnSync('ip', namespace.inside('curl', '-sk', `${server.url}/readyz`).slice(1));
      const cut = await server.reachFrom(namespace);
      await eventually('an answer', () => ask().status === 0);
      await cut();
      expect(ask().status).not.toBe(0);
      await server.reachFrom(namespace);
      expect(ask().status).toBe(0);
    } finally {
      net.close();
    }
  });

  it('what a killed run left behind is gone at the next start', async () => {
    const code = `import { startApiServer } from '${new URL('api-server.ts', import.meta.url)}';
      console.error((await startApiServer()).folder); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'pipe'] });
    const folder = await new Promise<string>(resolve => child.stderr.once('data', text => resolve(`${text}`.trim())));
    const pids = () => spawnSync('pgrep', ['-f', folder], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
    expect(pids()).toHaveLength(2);
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(folder)).toBe(true);
    const next = await startApiServer();
    try {
      expect(readdirSync(tmpdir()).filter(name => folder.endsWith(name))).toEqual([]);
      await eventually('its processes end', () => pids().length === 0);
    } finally {
      await next.stop();
    }
  }, 180_000);
});
