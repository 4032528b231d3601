/** Secrets: read when asked for, never shown otherwise. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SecretValue } from '../../src/api/secret.ts';
import { accepted, allFaults, good } from '../support/parsed.ts';

const hidden = 'hunter2-and-more';
const base64 = Buffer.from(hidden).toString('base64');
const secret = (body: object, annotations: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'bgp-auth', namespace: 'kube-system', annotations },
  ...body,
});
const text = (value: SecretValue | undefined) => value && new TextDecoder().decode(value.reveal());

describe('Secret', () => {
  it('data is base64, stringData is text and wins', () => {
    const read = good('Secret', secret({ data: { password: base64, other: '' }, stringData: { other: 'ö' } }));
    expect(text(read.data.get('password'))).toBe(hidden);
    expect(text(read.data.get('other'))).toBe('ö');
    expect(read.type).toBe('Opaque');
    expect(good('Secret', secret({ data: null })).data.size).toBe(0);
  });

  it('octets come out as they are', () => {
    const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
    const lines = Buffer.from(octets)
      .toString('base64')
      .replace(/(.{76})/g, '$1\n');
    expect(
      good('Secret', secret({ data: { k: lines } }))
        .data.get('k')
        ?.reveal(),
    ).toEqual(octets);
  });

  it('equal octets are equal, and what is handed out is a copy', () => {
    const value = SecretValue.of(new TextEncoder().encode('x'));
    value.reveal().fill(0);
    expect(text(value)).toBe('x');
    expect(value.equals(SecretValue.of(new TextEncoder().encode('x')))).toBe(true);
    expect(value.equals(SecretValue.of(new TextEncoder().encode('y')))).toBe(false);
  });

  it('never shows a value: strings, JSON, inspection at any depth, errors, structured copies, spreads', () => {
    const applied = {
      'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ data: { password: base64 } }),
    };
    const read = good('Secret', secret({ data: { password: base64 }, stringData: { token: hidden } }, applied));
    const value = read.data.get('password');
    const shown = [
      String(value),
      `${value}`,
      JSON.stringify([...read.data.values()]),
      JSON.stringify(read),
      inspect(read, { depth: 99, showHidden: true }),
      inspect(value, { customInspect: false, showHidden: true }),
      JSON.stringify(Object.entries({ ...value })),
      new Error(`cannot use ${value}`).message,
    ];
    for (const each of shown) {
      expect(each).not.toContain(hidden);
      expect(each).not.toContain(base64);
    }
    expect(() => structuredClone(value)).not.toThrow(hidden);
  });

  it.each([
    [{ data: { password: `${hidden}!` } }, 'bad-base64', 'data.password'],
    [{ data: { password: hidden.length } }, 'wrong-type', 'data.password'],
    [{ data: hidden }, 'wrong-type', 'data'],
    [{ data: [hidden] }, 'wrong-type', 'data'],
    [{ stringData: { password: 123456 } }, 'wrong-type', 'stringData.password'],
    [{ stringData: { password: [hidden] } }, 'wrong-type', 'stringData.password'],
    [{ type: [hidden] }, 'wrong-type', 'type'],
  ])('faults name the field and never the value: %#', (body, code, path) => {
    const faults = allFaults(secret(body));
    expect(faults.map(fault => [fault.severity, fault.code, fault.path])).toEqual([['error', code, path]]);
    expect(JSON.stringify(faults)).not.toMatch(/hunter2|123456/);
  });

  it('a namespace and a name make a Secret without data', () => {
    expect(accepted('Secret', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }).metadata.namespace).toBe(
      'default',
    );
  });
});
