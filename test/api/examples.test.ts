/** Every manifest in examples/ parses without a fault, and the sets can be loaded side by side. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkManifests } from '../../src/directory/manifests.ts';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));
const sets = ['dual-stack', 'dual-tor-bgp', 'home-lab-l2', 'single-tor-bgp'];

describe('examples/', () => {
  it.each(sets)('%s has no fault, and nothing in it is of an unknown kind', set => {
    const result = checkManifests([`${folder}${set}`]);
    expect(result.findings).toEqual([]);
    expect(result.passedOver).toEqual({});
  });

  it('all sets together have no fault: no name twice', () => {
    expect(checkManifests(sets.map(set => `${folder}${set}`)).findings).toEqual([]);
  });

  it.each(sets)('%s explains itself: a short README, and a comment above every object', set => {
    const files = readdirSync(`${folder}${set}`);
    expect(readFileSync(`${folder}${set}/README.md`, 'utf8').split('\n').length).toBeLessThan(16);
    for (const file of files.filter(each => each.endsWith('.yaml')))
      expect(readFileSync(`${folder}${set}/${file}`, 'utf8')).toMatch(/^# /);
  });
});
