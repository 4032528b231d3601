/** Who we are to which server, as kubeconfigs and pods say it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { podCredentials } from '../../src/kube/credentials.ts';
import { kubeconfigCredentials } from '../../src/kube/kubeconfig.ts';
import { ManualClock } from '../support/manual-clock.ts';

let folder: string;
let clock: ManualClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'herald-kubeconfig-'));
  clock = new ManualClock();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string, mode = 0o600) => {
  writeFileSync(join(folder, name), text, { mode });
  return join(folder, name);
};
const base64 = (text: string) => Buffer.from(text).toString('base64');

function credentials(user: object, cluster: object = {}, more: object = {}) {
  const document = {
    clusters: [{ name: 'c', cluster: { server: 'https://192.0.2.1:6443/k8s/', ...cluster } }],
    users: [
      { name: 'other', user: {} },
      { name: 'u', user },
    ],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'n' } }],
    'current-context': 'x',
    ...more,
  };
  return kubeconfigCredentials(join(folder, 'config'), document, clock);
}

describe('a kubeconfig', () => {
  it('names the server with its path, and the namespace of the context', () => {
    const { server, namespace } = credentials({});
    expect([server.href, namespace]).toEqual(['https://192.0.2.1:6443/k8s', 'n']);
  });

  it('has certificates as data or as files beside it, read anew for each connection', async () => {
    write('ca.crt', 'authority');
    write('client.key', 'key');
    const own = credentials(
      { 'client-certificate-data': base64('certificate'), 'client-key': 'client.key' },
      { 'certificate-authority': 'ca.crt', 'tls-server-name': 'api' },
    );
    const texts = async () => {
      const { ca, cert, key, servername } = await own.tls();
      return [`${ca}`, `${cert}`, `${key}`, servername];
    };
    expect(await texts()).toEqual(['authority', 'certificate', 'key', 'api']);
    write('client.key', 'another');
    expect((await texts())[2]).toBe('another');
  });

  it.each([
    ['a token', { token: 't' }, { authorization: 'Bearer t' }],
    ['a name and a password', { username: 'a', password: 'b' }, { authorization: `Basic ${base64('a:b')}` }],
    ['somebody else’s name', { token: 't', as: 'eve' }, { authorization: 'Bearer t', 'impersonate-user': 'eve' }],
    ['nothing', {}, {}],
  ])('gives %s', async (_, user, headers) => {
    expect(await credentials(user).headers()).toEqual(headers);
  });

  it('names a file with a token, which is read again when it is old or was refused (KEP-1205)', async () => {
    write('token', 'first\n');
    const own = credentials({ tokenFile: 'token' });
    const bearer = async () => (await own.headers())['authorization'];
    expect(await bearer()).toBe('Bearer first');
    write('token', 'second');
    expect(await bearer()).toBe('Bearer first');
    await clock.advance(60_000);
    expect(await bearer()).toBe('Bearer second');
    write('token', 'third');
    own.refused();
    expect(await bearer()).toBe('Bearer third');
  });

  it('names a program, which is told the server, asked once, and again when its answer was refused', async () => {
    const script = write(
      'plugin',
      `#!/bin/sh
echo x >> ${folder}/asked
echo "$KUBERNETES_EXEC_INFO" | grep -q 192.0.2.1 || exit 1
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'"$WORD"'-token"}}'
`,
      0o700,
    );
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: script,
      env: [{ name: 'WORD', value: 'exec' }],
      interactiveMode: 'Never',
    };
    const own = credentials({ exec });
    const asked = async () => (await own.headers())['authorization'];
    expect([await asked(), await asked()]).toEqual(['Bearer exec-token', 'Bearer exec-token']);
    own.refused();
    await asked();
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe('x\nx\n');
  });

  it('names a program that fails: the error says which', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/false', interactiveMode: 'Never' };
    await expect(credentials({ exec }).headers()).rejects.toThrow('/bin/false gave no credentials');
  });

  it.each<[string, () => unknown, string]>([
    ['no https', () => credentials({}, { server: 'http://192.0.2.1' }), 'is not https'],
    ['a proxy', () => credentials({}, { 'proxy-url': 'http://proxy' }), 'proxy-url http://proxy is not supported'],
    ['an auth-provider', () => credentials({ 'auth-provider': { name: 'oidc' } }), 'use exec'],
    ['a context that is not there', () => credentials({}, {}, { 'current-context': 'y' }), "no context 'y'"],
    ['no users', () => credentials({}, {}, { users: [] }), "no user 'u'"],
    ['garbage', () => kubeconfigCredentials('f', 'text', clock), 'f is no kubeconfig'],
  ])('with %s is refused, and the error says so', (_, read, message) => {
    expect(read).toThrow(message);
  });
});

describe('a pod', () => {
  it('is told by its environment and its files', async () => {
    for (const [name, text] of Object.entries({ token: 't', namespace: 'herald\n', 'ca.crt': 'ca' })) write(name, text);
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
    const { server, namespace, headers, tls } = podCredentials(env, clock, folder);
    expect([server.origin, namespace]).toEqual(['https://[fd00::1]:6443', 'herald']);
    expect(await headers()).toEqual({ authorization: 'Bearer t' });
    expect(`${(await tls()).ca}`).toBe('ca');
  });

  it.each<[string, Record<string, string>, string]>([
    ['no environment', {}, 'KUBERNETES_SERVICE_HOST is not set'],
    ['no files', { KUBERNETES_SERVICE_HOST: 'h' }, 'namespace cannot be read'],
  ])('is none with %s, and the error says so', (_, env, message) => {
    expect(() => podCredentials(env, clock, folder)).toThrow(message);
  });
});
