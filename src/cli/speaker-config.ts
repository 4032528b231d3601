/**
 * The speaker's file from disk: YAML, then the schema, then the prefix lists it names, each fault with its file and
 * field.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readPrefixList, readSpeakerFile, type SpeakerFile } from '../api/speaker-file.ts';
import type { Announcement } from '../bgp/announcement.ts';
import { readYamlText } from '../directory/text.ts';

export interface LoadedSpeaker {
  readonly file: SpeakerFile;
  readonly announcements: readonly Announcement[];
}

/** Files that were read, good or bad: whoever watches for changes watches these. */
export interface LoadResult {
  readonly loaded: LoadedSpeaker | undefined;
  /** One line each: `speaker.yaml: peers[0].asn: is missing`. */
  readonly faults: readonly string[];
  readonly paths: readonly string[];
}

/** Never throws: a file that cannot be read is a fault like any other. */
export async function loadSpeaker(path: string): Promise<LoadResult> {
  const raw = readText(path);
  if (raw.fault !== undefined) return { loaded: undefined, faults: [raw.fault], paths: [path] };
  const yaml = await readYamlText(raw.text);
  if (yaml.fault !== undefined) return { loaded: undefined, faults: [`${path}: ${yaml.fault}`], paths: [path] };
  const { file, faults } = readSpeakerFile(yaml.value);
  if (file === undefined)
    return {
      loaded: undefined,
      faults: faults.map(each => `${path}: ${each.path === '' ? '' : `${each.path}: `}${each.message}`),
      paths: [path],
    };
  return originate(path, file);
}

function originate(path: string, file: SpeakerFile): LoadResult {
  const announcements: Announcement[] = [];
  const faults: string[] = [];
  const paths = [path];
  for (const { attributes, source } of file.originate) {
    let prefixes = 'prefixes' in source ? source.prefixes : [];
    if ('file' in source) {
      const listPath = resolve(dirname(path), source.file);
      paths.push(listPath);
      const list = readText(listPath);
      if (list.fault !== undefined) faults.push(list.fault);
      else {
        const read = readPrefixList(list.text);
        faults.push(...read.faults.map(each => `${listPath}: ${each.path}: ${each.message}`));
        prefixes = read.prefixes;
      }
    }
    for (const prefix of prefixes) announcements.push({ ...attributes, prefix });
  }
  return { loaded: faults.length > 0 ? undefined : { file, announcements }, faults, paths };
}

type Text =
  | { readonly text: string; readonly fault?: undefined }
  | { readonly fault: string; readonly text?: undefined };

function readText(path: string): Text {
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { fault: `${path}: ${error instanceof Error ? error.message : error}` };
  }
}

/** What must differ when a file has changed, through symbolic links (a mounted ConfigMap swaps those). */
export function fingerprint(paths: readonly string[]): string {
  return paths
    .map(path => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined ? 'none' : `${found.ino}:${found.size}:${found.mtimeMs}`;
    })
    .join(' ');
}
