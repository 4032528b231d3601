/** The version, read from the package this runs from (a checkout or an installed package). */
import { readFileSync } from 'node:fs';

export function version(): string {
  for (const up of ['../../package.json', '../package.json']) {
    const text = readIfThere(new URL(up, import.meta.url));
    if (text === undefined) continue;
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'version' in parsed) return String(parsed.version);
  }
  return 'unknown';
}

function readIfThere(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return undefined;
  }
}
