/**
 * A place: where a node's programs run instead of in a container. It has a network namespace (its own, or that of
 * another place), a root of its own over this host's (what is written there is gone with the place, and nobody else
 * sees it), processes and a host name of its own. It stands until its first process ends, and ends all others then.
 */

/** A program that ran to its end. `status` is 128 and the signal's number when one ended it. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Until it is killed; without it, as long as it takes. */
  readonly timeoutMs?: number;
  /** What it reads; nothing unless given. */
  readonly stdin?: string;
}

export interface Place {
  /** `tor0`, `kind-worker2`: unique in its lab. */
  readonly name: string;
  /** A path to its network namespace, for `nsenter --net=`, good as long as the place stands. */
  readonly netns: string;
  /** Of its first process, as this host counts. */
  readonly pid: number;
  /** Runs a program to its end. Throws only when it cannot be started at all. */
  run(words: readonly string[], options?: RunOptions): Promise<Ran>;
  /** One line split into words as a shell would split it: an `exec` line of a topology. */
  exec(line: string, options?: RunOptions): Promise<Ran>;
  /**
   * Starts a program that outlives this process; what it says goes to the end of the file `log` (a path of this host).
   * The result is the program's own pid, as this host counts: signals sent there reach it.
   */
  spawn(words: readonly string[], options: SpawnOptions): Promise<number>;
  /** Ends everything that runs in it, and the place. */
  close(): Promise<void>;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly log: string;
}

export interface PlaceSpec {
  /** The lab's name. */
  readonly lab: string;
  readonly name: string;
  /** Its host name inside; `name` unless given. */
  readonly hostName?: string;
  /** Whose network namespace it has; one of its own unless given. */
  readonly network?: Place | 'host';
  /** Files and folders of this host that it shares, written to by both; the lab's own folder is always among them. */
  readonly binds?: readonly { readonly from: string; readonly to: string; readonly readOnly: boolean }[];
  readonly env?: Readonly<Record<string, string>>;
  readonly sysctls?: Readonly<Record<string, string>>;
}

// Makes one: `openPlace(spec: PlaceSpec): Promise<Place>`. Those that stand: `placesOf(lab: string): Promise<Place[]>`.
// A veth pair: `joinPlaces(a: LinkEnd, b: LinkEnd, { mtu? })` with LinkEnd { place | 'host', interface, mac? }, link.ts.
