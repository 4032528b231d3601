/**
 * A process that holds the in-kernel responder of one link, as an agent does: takes over or attaches, programs its rows
 * and one deadline, says so on a line of JSON, and waits to be killed. Its one argument is JSON as well.
 */

import type { PinPlaces } from '../../src/linux/bpf-filesystem.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { TcxDatapath, TcxUnavailable } from '../../src/linux/tcx.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';

/** What the argument says; a `rows` that is not there leaves what was found. */
export interface TcxAgentWork {
  readonly places: PinPlaces;
  readonly index: number;
  readonly mac: string;
  readonly rows?: readonly string[];
  /** The deadline, from when it is written. */
  readonly forMs?: number;
}

/** The line. */
export interface TcxAgentWord {
  readonly unavailable?: string;
  readonly pins?: TcxDatapath['pins'];
  readonly found?: readonly string[];
  /** CLOCK_BOOTTIME. */
  readonly deadlineMs?: number;
  /** Why the link could not be attached. */
  readonly problem?: string;
}

function say(word: TcxAgentWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}

const work: TcxAgentWork = JSON.parse(process.argv[2] ?? '');
try {
  const datapath = await TcxDatapath.open(work.places);
  const found = datapath.rows().map(row => IpAddress.format(row.address));
  const mac = Mac.parse(work.mac) ?? Mac.broadcast;
  const problem = datapath.links([{ name: 'link', index: work.index, mac }]).get(work.index);
  if (work.rows !== undefined)
    datapath.program(
      work.rows.map(text => {
        const address = IpAddress.parse(text);
        if (address === undefined) throw new Error(text);
        return { link: work.index, address, mode: 'session' };
      }),
    );
  const deadlineMs = work.forMs === undefined ? undefined : (await loadLibc()).boottimeMs() + work.forMs;
  if (deadlineMs !== undefined) datapath.deadlines({ sessionMs: deadlineMs, holdMs: 0 });
  const { pins } = datapath;
  say({ pins, found, ...(deadlineMs !== undefined && { deadlineMs }), ...(problem !== undefined && { problem }) });
} catch (error) {
  if (!(error instanceof TcxUnavailable)) throw error;
  say({ unavailable: error.reason });
}
// Until it is killed, or its starter ends.
process.stdin.on('end', () => process.exit()).resume();
