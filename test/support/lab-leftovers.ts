/** What a lab could leave behind: processes that carry its name, its folder, mounts and links of this host. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Empty when nothing of the lab is left. */
export function leftovers(lab: string, linksBefore: readonly string[]): readonly string[] {
  const left: string[] = [];
  for (const pid of readdirSync('/proc').filter(name => /^[0-9]+$/.test(name)))
    if (`\0${textOf(`/proc/${pid}/environ`)}`.includes(`\0HERALD_LAB=${lab}\0`))
      left.push(`process ${pid}: ${textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
  if (existsSync(`/run/herald-lab/${lab}`)) left.push(`/run/herald-lab/${lab}`);
  for (const line of textOf('/proc/self/mounts').split('\n'))
    if (line.includes(`/run/herald-lab/${lab}/`)) left.push(`mount ${line}`);
  for (const link of hostLinks()) if (!linksBefore.includes(link)) left.push(`link ${link}`);
  return left;
}

export function hostLinks(): readonly string[] {
  return readdirSync('/sys/class/net');
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
