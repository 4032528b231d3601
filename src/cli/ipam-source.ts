/** Where the ipam commands get their data: a running process, or manifests together with a copy of a state folder. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Snapshot } from '../api/snapshot.ts';
import { type IpamSettings, ipamDefaults } from '../control/ipam-claims.ts';
import { DirectoryStore } from '../directory/store.ts';
import { systemClock } from '../runtime/clock.ts';
import { createLog } from '../runtime/log.ts';
import { CommandError, type Options, type OptionValues } from './command.ts';

const serviceIpams = ['lbipam', 'nodeipam', 'none'] as const satisfies readonly IpamSettings['defaultLBServiceIPAM'][];

/** For commands that can work from files. */
export const fileOptions = {
  manifests: { type: 'string', value: 'DIR', about: 'work from these manifests instead of a running process' },
  state: {
    type: 'string',
    value: 'DIR',
    about: 'with --manifests: state folder that says who holds what; it is only read',
  },
  'default-lb-service-ipam': {
    type: 'string',
    oneOf: serviceIpams,
    default: ipamDefaults.defaultLBServiceIPAM,
    value: 'WHO',
    about: 'with --manifests: who serves a LoadBalancer Service without a class',
  },
} as const satisfies Options;

export function fileSettings(options: OptionValues<typeof fileOptions>): IpamSettings {
  const { defaultLBServiceIPAM: standard } = ipamDefaults;
  const named = serviceIpams.find(each => each === options['default-lb-service-ipam']);
  return { ...ipamDefaults, defaultLBServiceIPAM: named ?? standard };
}

/** The objects of both folders at this moment. Neither is written to: the store works on a copy of the state. */
export async function readFolders(manifestsDir: string, stateDir: string | undefined): Promise<Snapshot> {
  if (!existsSync(manifestsDir)) throw new CommandError(`there is no folder ${manifestsDir}`);
  if (stateDir !== undefined && !existsSync(stateDir)) throw new CommandError(`there is no state folder ${stateDir}`);
  const copy = mkdtempSync(join(tmpdir(), 'herald-ipam-'));
  try {
    if (stateDir !== undefined) copyFiles(stateDir, copy);
    const log = createLog({ level: 'error', pretty: false });
    const store = new DirectoryStore({ manifestsDir, stateDir: copy, clock: systemClock, log });
    try {
      await store.start();
      return store.snapshot();
    } finally {
      await store.close();
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Plain files only: a running process has its socket in there. */
function copyFiles(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true }))
    if (entry.isFile() && !entry.name.endsWith('.lock')) copyFileSync(join(from, entry.name), join(to, entry.name));
}
