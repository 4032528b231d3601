/** A manifest file on disk → its content, or why it cannot be read. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type Manifest, manifestLimits, readManifest } from './manifest.ts';

/** What is taken for a manifest when it is found in a folder: not the topology of a lab that lies beside it. */
export function isManifestName(name: string): boolean {
  return /\.(?:ya?ml|json)$/.test(name) && !/\.clab\.ya?ml$/.test(name);
}

/** `before` is what the file held last time. Never throws. */
export function loadManifest(path: string, before?: Manifest): Manifest {
  let fd: number;
  try {
    // A pipe or a device that bears the name of a manifest must not hold us up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return unreadable(error);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return failed('not a regular file', 'name a file, or a folder of files');
    // One octet more than the limit is enough to know.
    const bytes = Buffer.allocUnsafe(Math.min(stats.size, manifestLimits.fileBytes) + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.length; length += count)
      count = readSync(fd, bytes, length, bytes.length - length, null);
    if (stats.size > manifestLimits.fileBytes) return tooLarge(stats.size);
    return readManifest(bytes.subarray(0, length), before);
  } catch (error) {
    return unreadable(error);
  } finally {
    closeSync(fd);
  }
}

function tooLarge(size: number): Manifest {
  const megabytes = (size / 2 ** 20).toFixed(1);
  return failed(`the file has ${megabytes} MiB`, `split it: ${manifestLimits.fileBytes / 2 ** 20} MiB is the limit`);
}

function unreadable(error: unknown): Manifest {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return failed('no such file', 'check the name');
  if (code === 'EACCES') return failed('no permission to read it', 'run as a user who may, or change its mode');
  if (code === 'ELOOP') return failed('a symbolic link that leads to itself', 'correct the link');
  return failed(error instanceof Error ? error.message : String(error), 'make the file readable');
}

function failed(message: string, fix: string): Manifest {
  return { documents: [], fault: { line: undefined, message, fix } };
}
