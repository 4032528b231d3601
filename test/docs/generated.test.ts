/** The pages that are made out of the sources say what the sources say. `npm run docs` writes them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { conditions, events } from '../../scripts/docs-codes.ts';
import { flagsPage } from '../../scripts/docs-flags.ts';
import { labDrawing } from '../../scripts/docs-lab.ts';
import { reasonsPage } from '../../scripts/docs-reasons.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = (name: string) => readFileSync(`${root}docs/${name}`, 'utf8');

const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts') && !path.startsWith('lab/'))
  .map(path => readFileSync(`${root}src/${path}`, 'utf8'));

/** Each first group of a pattern in all the sources, once. */
const found = (pattern: RegExp) =>
  [...new Set(sources.flatMap(text => [...text.matchAll(pattern)].map(match => match[1] ?? '')))].sort();

describe('pages made out of the sources', () => {
  it('docs/flags.md has every command and flag', async () => {
    expect(page('flags.md')).toBe(await flagsPage());
  });

  it('docs/lab.svg is the lab', () => {
    expect(page('lab.svg')).toBe(labDrawing());
  });

  it('docs/reasons.md has every code', () => {
    expect(page('reasons.md')).toBe(reasonsPage());
  });

  it('every type of condition in the sources has its row, and every row its type', () => {
    const written = found(/'((?:herald\.io|cilium\.io)\/[A-Z][A-Za-z0-9]+|io\.cilium\/bad-[a-z-]+)'/g);
    expect(Object.keys(conditions).sort()).toEqual(written);
  });

  it('every reason of an event in the sources has its row, and every row its reason', () => {
    const recorded = found(/type: '(?:Normal|Warning)',\s*reason: '([A-Z][A-Za-z0-9]+)'/g);
    const told = found(/'(?:Normal|Warning)', (?:taken \? )?'([A-Z][A-Za-z0-9]+)'/g);
    const second = found(/taken \? '[A-Za-z0-9]+' : '([A-Z][A-Za-z0-9]+)'/g);
    expect(Object.keys(events).sort()).toEqual([...new Set([...recorded, ...told, ...second])].sort());
  });

  it('every flag that a page or a sentence of the sources names is there', async () => {
    const flags = await flagsPage();
    const named = found(/(?:fix|sentence|about): [^\n]*?(--[a-z][a-z0-9-]+)/g);
    expect(named.filter(flag => !flags.includes(`\`${flag}`) && flag !== '--once')).toEqual([]);
  });
});
