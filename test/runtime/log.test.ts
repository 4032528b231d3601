/** Logs: one line an event, secrets never. */
import { describe, expect, it, vi } from 'vitest';
import { createLog } from '../../src/runtime/log.ts';

function written(pretty: boolean) {
  const lines: string[] = [];
  return { lines, log: createLog({ level: 'info', pretty, to: { write: line => void lines.push(line) } }) };
}

describe('the log', () => {
  it('is one JSON line an event, with level, time, event and fields', () => {
    const { lines, log } = written(false);
    log.info('address allocated', { service: 'default/web', address: '192.0.2.1' });
    log.debug('not at this level');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      msg: 'address allocated',
      service: 'default/web',
      address: '192.0.2.1',
    });
  });

  it.each([
    0, 7, 42, 999, 1000, 59_999, 86_399_001,
  ])('says when it was, to the millisecond: %i ms after midnight', ms => {
    const atMs = Date.UTC(2026, 1, 28) + ms;
    const now = vi.spyOn(Date, 'now').mockReturnValue(atMs);
    const { lines, log } = written(false);
    log.info('address allocated');
    now.mockRestore();
    expect(JSON.parse(lines[0] ?? '').time).toBe(new Date(atMs).toISOString());
  });

  it('is short on a terminal, and a value with blanks is quoted', () => {
    const { lines, log } = written(true);
    log.warn('target failed', { target: 'ipam', error: 'no route', retryMs: 250 });
    expect(lines[0]?.slice(12)).toBe(' warn  target failed  target=ipam error="no route" retryMs=250\n');
  });

  it.each(['password', 'secret', 'token', 'md5'])('hides a field called %s at every depth it is logged at', name => {
    for (const pretty of [false, true]) {
      const { lines, log } = written(pretty);
      log.info('peer configured', {
        [name]: 's3cr3t',
        peers: [{ [name]: 's3cr3t', auth: { [name]: 's3cr3t', a: { b: { c: { [name]: 's3cr3t' } } } } }],
      });
      expect(lines.join('')).not.toContain('s3cr3t');
      expect(lines.join('')).toContain('(hidden)');
    }
  });

  it('keeps a value that breaks lines on its own line', () => {
    for (const pretty of [false, true]) {
      const { lines, log } = written(pretty);
      log.error('bad\nname', { text: 'one\ntwo\u2028three' });
      expect(lines.join('').trimEnd().split('\n').length).toBe(1);
    }
  });
});
