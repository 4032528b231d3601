/** Which lab and which node a person means. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readTopology } from './clab.ts';
import { labNames } from './lab-state.ts';
import { type Place, placesOf } from './place.ts';

/** What is meant is not there, or could be several. The message says which there are. */
class LabNameError extends Error {
  override name = 'LabNameError';
}

/** By its name, or by its topology file; without either, the only one. */
export function labNamed(text: string | undefined): string {
  const names = labNames();
  if (text !== undefined) {
    if (names.includes(text)) return text;
    const file = resolve(text);
    const source = existsSync(file) ? { file, text: readFileSync(file, 'utf8'), env: process.env } : undefined;
    const name = source && readTopology(source).value?.name;
    if (name !== undefined && names.includes(name)) return name;
    throw new LabNameError(`there is no lab ${name ?? text}${among(names)}`);
  }
  const [only] = names;
  if (only === undefined) throw new LabNameError('there is no lab; `herald lab up TOPOLOGY` makes one');
  if (names.length > 1) throw new LabNameError(`which lab is meant${among(names)}`);
  return only;
}

function among(names: readonly string[]): string {
  return names.length === 0 ? '' : `; there are ${names.join(', ')}`;
}

/** By its name, short or full (`clab-x-tor0`), in the lab given or in the only one that has it. */
function placeNamed(lab: string | undefined, node: string): Place {
  const labs = lab === undefined ? labNames() : [labNamed(lab)];
  if (labs.length === 0) labNamed(undefined);
  const all = labs.flatMap(name => placesOf(name).map(place => ({ lab: name, place })));
  const found = all.filter(({ place }) => place.name === node || place.about['fullName'] === node);
  const [only] = found;
  if (found.length > 1)
    throw new LabNameError(`which ${node}? it is in ${found.map(each => each.lab).join(', ')}: --lab`);
  if (only !== undefined) return only.place;
  const names = all.filter(({ place }) => place.about['role'] !== 'network').map(({ place }) => place.name);
  throw new LabNameError(`there is no node ${node}${among(names.sort())}`);
}

/** A program of this host, and the words and environment with which it runs words in a node. */
export function entry(lab: string | undefined, node: string, words: readonly string[]) {
  // nsenter passes no signal on; what it waits for ends with it, so that `timeout` and the like end both.
  const { words: all, env } = placeNamed(lab, node).entry(['setpriv', '--pdeathsig', 'TERM', '--', ...words]);
  // Node has SIGPIPE ignored, and what it becomes would inherit that.
  return { file: programPath('env'), words: ['--default-signal=PIPE', ...all], env };
}

function programPath(name: string): string {
  for (const folder of ['/usr/bin', '/bin', ...(process.env['PATH'] ?? '').split(':')])
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Elsewhere.
    }
  throw new LabNameError(`there is no program ${name}`);
}
