/** What README, docs/ and the examples tell people to type. */
import { readdirSync, readFileSync } from 'node:fs';
import { root } from './run-herald.ts';

export const pages: readonly string[] = [
  'README.md',
  ...readdirSync(`${root}docs`).flatMap(name => (name.endsWith('.md') ? [`docs/${name}`] : [])),
  ...readdirSync(`${root}examples`).map(name => `examples/${name}/README.md`),
];

export interface Said {
  readonly page: string;
  readonly line: string;
}

export function pageText(page: string): string {
  return readFileSync(root + page, 'utf8');
}

/** Indented by four, outside of lists: what is typed, lines that a backslash ends as one. Comments are cut off. */
const blocks: readonly Said[] = pages.flatMap(page =>
  [...pageText(page).matchAll(/^ {4}(\S(?:.*\\\n)*.*)$/gm)].map(([, line = '']) => ({
    page,
    line: line
      .replace(/\\\n\s*/g, '')
      .replace(/\s{2,}#.*$/, '')
      .trim(),
  })),
);

/** In the text, between backticks. */
export const spans: readonly Said[] = pages.flatMap(page =>
  [...pageText(page).matchAll(/`([^`\n]+(?:\n[^`\n]+)?)`/g)].map(([, line = '']) => ({
    page,
    line: line.replace('\n', ' '),
  })),
);

export const typed: readonly Said[] = [
  ...blocks.filter(({ line }) => !line.startsWith('net ←')),
  // In the text of examples: what to try.
  ...spans.filter(({ page, line }) => page.startsWith('examples/') && /^(bin\/)?herald /.test(line)),
].map(each => ({ ...each, line: each.line.replace(/^bin\/herald/, 'herald') }));

/** Shown by `npm start`, which scripts/test-start.ts runs. */
export function isOfLab(line: string): boolean {
  return /^herald lab (up|exec|verify|down|ls)\b/.test(line);
}
