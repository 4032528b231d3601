/**
 * What the kernel dropped because of TCP MD5 (RFC 2385 §2), from /proc/net/netstat. A wrong key answers nothing at all,
 * so these counters, which are per network namespace, are the only witness.
 */

export interface Md5Counters {
  /** Segments that came without a signature though we hold a key for their sender. */
  readonly missing: number;
  /** Segments that came signed though we hold no key for their sender. */
  readonly unexpected: number;
  /** Segments whose signature was made with another key. */
  readonly wrong: number;
}

/** Zero for counters that this kernel does not have. */
export function parseMd5Counters(netstat: string): Md5Counters {
  const lines = netstat.split('\n').filter(line => line.startsWith('TcpExt:'));
  const [names, values] = lines.map(line => line.split(' '));
  const of = (name: string) => Number(values?.[names?.indexOf(name) ?? -1] ?? 0);
  return { missing: of('TCPMD5NotFound'), unexpected: of('TCPMD5Unexpected'), wrong: of('TCPMD5Failure') };
}

/** What arrived between two readings and was dropped, in words; undefined when nothing was. */
export function md5Dropped(before: Md5Counters, after: Md5Counters): string | undefined {
  if (after.wrong > before.wrong) return 'segments signed with another TCP MD5 key arrived: a password differs';
  if (after.missing > before.missing)
    return 'segments without TCP MD5 signature arrived: a peer lacks the password we have';
  if (after.unexpected > before.unexpected)
    return 'segments with a TCP MD5 signature arrived from a peer for which we have no password';
  return undefined;
}

/**
 * Why a connection attempt that nobody answered may have failed; undefined when nothing points at MD5. `keyed` says
 * whether we hold a key for the peer.
 */
export function md5Suspicion(before: Md5Counters, after: Md5Counters, keyed: boolean): string | undefined {
  return (
    md5Dropped(before, after) ?? (keyed ? 'the TCP MD5 password may differ, or the peer may have none' : undefined)
  );
}
