/** The program that this is part of, as it is started in places: from a checkout or a package, wherever that is. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlaceSpec } from './place.ts';

/** Folders that every place has of its own: what this host has there is not seen. */
const ownFolders = /^\/(?:tmp|run|var\/run|var\/log)(?:\/|$)/;

export function programPath(): string {
  for (const up of ['../../bin/herald', '../bin/herald']) {
    const path = fileURLToPath(new URL(up, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new Error('bin/herald is not where it belongs');
}

/** A PATH in which the Node that runs this comes first. */
export function programEnv(): Readonly<Record<string, string>> {
  return { PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` };
}

/** What a place has to share with this host to see the program: a checkout may be in /tmp. `more` are other folders. */
export function programBinds(more: readonly string[]): NonNullable<PlaceSpec['binds']> {
  const folders = [dirname(dirname(programPath())), realpathSync(dirname(process.execPath)), ...more];
  return [...new Set(folders)]
    .filter(folder => ownFolders.test(folder))
    .filter((folder, i, all) => !all.some((other, j) => j !== i && folder.startsWith(`${other}/`)))
    .map(folder => ({ from: folder, to: folder, readOnly: true }));
}
