/**
 * What is wrong with the manifests a store stands on: the same findings as `herald check`, from what is loaded
 * already.
 */
import { ObjectRef } from '../api/object.ts';
import { parseObject } from '../api/parse.ts';
import { lineLocator, type Manifest } from './manifest.ts';
import { duplicate, type Finding, faultsOfFile, faultsOfItem, inOrder } from './manifests.ts';
import type { Source, Sources } from './sources.ts';

/** More than anybody reads. */
const findingsMax = 1000;

/** `problem` is what keeps the folder itself from being read. */
export function problemsOf(sources: Sources, folder: string, problem: string | undefined): readonly Finding[] {
  const findings: Finding[] = [];
  if (problem !== undefined) {
    const about = {
      severity: 'error',
      code: 'unreadable',
      file: folder,
      line: undefined,
      object: undefined,
      path: '',
    } as const;
    findings.push({ ...about, message: problem, fix: 'what was read last stays in force until it is back' });
  }
  for (const [path, { manifest }] of sources.files()) {
    if (findings.length >= findingsMax) break;
    findings.push(...faultsOfFile(path, manifest), ...faultsOfObjects(path, manifest));
  }
  for (const { ref, sources: all } of sources.contested()) {
    const [first, ...others] = all;
    if (first === undefined || findings.length >= findingsMax) break;
    const standing = `${first.path}:${lineOf(sources, first) ?? 1}`;
    for (const other of others)
      findings.push(duplicate(other.path, lineOf(sources, other) ?? 1, ObjectRef.format(ref), standing));
  }
  return inOrder(findings);
}

function faultsOfObjects(path: string, manifest: Manifest): Finding[] {
  return manifest.documents.flatMap(document => {
    const line = lineLocator(document);
    return document.content.items.flatMap(item => faultsOfItem(path, item, parseObject(item.raw), line));
  });
}

function lineOf(sources: Sources, { path, content, item }: Source): number | undefined {
  const document = sources.manifestOf(path)?.documents.find(each => each.content === content);
  return document && lineLocator(document)(item, '');
}
