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

/**
 * Why a connection attempt that timed out did so, in words for the operator; undefined when nothing points at MD5.
 * `keyed` says whether we hold a key for the peer.
 */
export function md5Suspicion(before: Md5Counters, after: Md5Counters, keyed: boolean): string | undefined {
  if (keyed && after.wrong > before.wrong) return 'TCP MD5 signatures with another key arrived: the password differs';
  if (keyed && after.missing > before.missing)
    return 'segments without TCP MD5 signature arrived: the peer has no password';
  if (!keyed && after.unexpected > before.unexpected)
    return 'segments with a TCP MD5 signature arrived: the peer has a password and we have none';
  if (keyed) return 'the TCP MD5 password may differ, or the peer may have none';
  return undefined;
}
