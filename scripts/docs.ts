/** `npm run docs`: the pages of docs/ that are made out of the sources. A test holds them equal. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { flagsPage } from './docs-flags.ts';
import { labDrawing } from './docs-lab.ts';
import { reasonsPage } from './docs-reasons.ts';

const folder = fileURLToPath(new URL('../docs/', import.meta.url));
writeFileSync(`${folder}flags.md`, await flagsPage());
writeFileSync(`${folder}reasons.md`, reasonsPage());
writeFileSync(`${folder}lab.svg`, labDrawing());
