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
  /** The directory below which Herald may mount a bpffs when the host has none: at the name. */
  readonly own: string;
  /** What Herald's directory is called. One for each network namespace: links are numbered in theirs. */
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

/** In the place that is in use already, else the first where they can be. */
export function findPins(mounts: Mounts, places: PinPlaces, layout: string): Pins {
  const [own, shared] = homesOf(places);
  const problems = isBpffs(places.host) ? [] : [`no bpffs is mounted at ${places.host}`];
  for (const home of [...(isBpffs(own) ? [own] : []), ...(isBpffs(places.host) ? [shared] : [])])
    try {
      return { directory: made(join(home, layout)) };
    } catch (error) {
      problems.push(wordsOf(error));
    }
  if (isBpffs(own)) return { unpinned: problems.join('; ') };
  try {
    mounts.mount(made(own));
    return { directory: made(join(own, layout)) };
  } catch (error) {
    return { unpinned: [...problems, wordsOf(error)].join('; ') };
  }
}

/** Herald's directories where they are: the one that is a mount of its own, and the one in the host's bpffs. */
function homesOf({ host, own, name }: PinPlaces): readonly [own: string, shared: string] {
  return [join(own, name), join(host, name)];
}

function made(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** The directory of every layout that left one. */
export function layoutsIn(places: PinPlaces): string[] {
  return homesOf(places).flatMap(home => (isBpffs(home) ? entries(home) : []));
}

/** Paths of what we have in a directory; none when it is not there. */
export function entries(directory: string): string[] {
  if (!existsSync(directory)) return [];
  // The kernel puts files of its own into a bpffs, under names with dots, which others may not have.
  const ours = readdirSync(directory).filter(name => !name.includes('.'));
  return ours.map(name => join(directory, name));
}

/** Unlinks the pins and removes the directory: an object without another pin or descriptor ends with that. */
export function removeLayout(directory: string): void {
  for (const pin of entries(directory)) unlinkSync(pin);
  if (existsSync(directory)) rmdirSync(directory);
}

/** Takes Herald's directories away, which have to be without layouts, and the bpffs that it mounted. */
export function leavePlaces(mounts: Mounts, places: PinPlaces): void {
  const [own, shared] = homesOf(places);
  if (isBpffs(shared)) rmdirSync(shared);
  if (!isBpffs(own)) return;
  try {
    mounts.unmount(own);
  } catch (error) {
    // Without CAP_SYS_ADMIN it stays mounted, with nothing in it.
    if (!(error instanceof SystemError)) throw error;
    return;
  }
  rmdirSync(own);
  if (readdirSync(places.own).length === 0) rmdirSync(places.own);
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
