/**
 * Where Herald pins kernel objects: a directory in a bpffs, in which they live on without a process. The host's bpffs
 * is taken where there is one, else Herald mounts one itself: that takes CAP_SYS_ADMIN, and lasts as long as the mount
 * namespace, which in a container is the container's.
 */
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, statfsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { SystemError } from './libc.ts';

export interface PinPlaces {
  /** Where the host's bpffs is, if it is. */
  readonly host: string;
  /** A directory where Herald may mount a bpffs when the host has none. */
  readonly own: string;
  /** What Herald's directory in the bpffs is called. One for each network namespace: links are numbered in theirs. */
  readonly name: string;
}

/** For this process's network namespace; `own` as above. */
export function pinPlaces(own: string): PinPlaces {
  const inode = /[0-9]+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '';
  return { host: '/sys/fs/bpf', own, name: `herald-${inode}` };
}

/** The directory for pins, made if need be, or why there is none. */
export type Pins = { readonly directory: string } | { readonly unpinned: string };

const BPF_FS_MAGIC = 0xcafe4a11;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MNT_DETACH = 2;

/** The place that has pins of ours already, else the first where they can be. */
export function findPins(mounts: Mounts, places: PinPlaces, layout: string): Pins {
  const roots = [places.host, places.own];
  const mounted = roots.filter(isBpffs);
  const problems: string[] = [];
  for (const root of [...mounted].sort((a, b) => Number(hasPins(b, places)) - Number(hasPins(a, places))))
    try {
      const directory = join(root, places.name, layout);
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      return { directory };
    } catch (error) {
      problems.push(wordsOf(error));
    }
  if (!mounted.includes(places.host)) problems.push(`no bpffs is mounted at ${places.host}`);
  if (mounted.includes(places.own)) return { unpinned: problems.join('; ') };
  try {
    const directory = join(places.own, places.name, layout);
    mkdirSync(places.own, { recursive: true, mode: 0o700 });
    mounts.mount(places.own);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return { directory };
  } catch (error) {
    return { unpinned: [...problems, wordsOf(error)].join('; ') };
  }
}

function hasPins(root: string, { name }: PinPlaces): boolean {
  return existsSync(join(root, name));
}

/** The directory of every layout that left one. */
export function layoutsIn({ host, own, name }: PinPlaces): string[] {
  return [host, own].flatMap(root => (isBpffs(root) ? entries(join(root, name)) : []));
}

/** Paths of what is in a directory; none when it is not there. */
export function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map(each => join(directory, each)) : [];
}

/** Unlinks the pins and removes the directory: an object without another pin or descriptor ends with that. */
export function removeLayout(directory: string): void {
  for (const pin of entries(directory)) unlinkSync(pin);
  if (existsSync(directory)) rmdirSync(directory);
}

/** Takes Herald's directory away, which has to be without layouts, and Herald's own bpffs when it is empty then. */
export function leavePlaces(mounts: Mounts, { host, own, name }: PinPlaces): void {
  for (const root of [host, own]) if (isBpffs(root) && existsSync(join(root, name))) rmdirSync(join(root, name));
  if (own === host || !isBpffs(own) || readdirSync(own).some(isOurs)) return;
  try {
    mounts.unmount(own);
    rmdirSync(own);
  } catch (error) {
    // Without CAP_SYS_ADMIN it stays mounted, with nothing in it.
    if (!(error instanceof SystemError)) throw error;
  }
}

/** The kernel puts files of its own into each bpffs, under names with dots, which others may not have. */
function isOurs(name: string): boolean {
  return !name.includes('.');
}

function isBpffs(path: string): boolean {
  return existsSync(path) && Number(statfsSync(path).type) === BPF_FS_MAGIC;
}

/** Throw SystemError. */
export interface Mounts {
  mount(at: string): void;
  unmount(at: string): void;
}

/** Rejects when koffi has no build for this machine. */
export async function loadMounts(): Promise<Mounts> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  const mount = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)');
  const umount2 = libc.func('int umount2(const char *, int)');
  return {
    mount(at) {
      if (mount('bpf', at, 'bpf', MS_NOSUID | MS_NODEV | MS_NOEXEC, 'mode=0700') < 0)
        throw new SystemError(`mount(bpf, ${at})`, koffi.errno());
    },
    unmount(at) {
      if (umount2(at, MNT_DETACH) < 0) throw new SystemError(`umount(${at})`, koffi.errno());
    },
  };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
