/**
 * What gRPC and etcd say when something goes wrong, as the few kinds of failure that matter here. Reference §2.2, §8.
 */
import { status } from '@grpc/grpc-js';
import { StateFailure } from '../runtime/mesh-state.ts';

/** What etcd answers to one request and means for no other. */
const refusals = new Set<unknown>([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
]);

/** The answer has no header, or another cluster's: whatever is there now is not what we knew (§2.3.6). */
export class ClusterChanged extends StateFailure {
  constructor(detail: string) {
    super('lost', detail);
  }
}

export function failureOf(error: unknown): StateFailure {
  if (error instanceof StateFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (
    code === status.PERMISSION_DENIED ||
    code === status.UNAUTHENTICATED ||
    /permission denied|PermissionDenied/.test(text)
  )
    return new StateFailure('denied', plain(text));
  if (/certificate|CERT_|ssl|SSL|TLS|tls|altname|ERR_OSSL/.test(text))
    return new StateFailure('certificate', plain(text));
  if (/required revision has been compacted/.test(text)) return new StateFailure('lost', plain(text));
  if (refusals.has(code)) return new StateFailure('refused', plain(text));
  return new StateFailure('unreachable', plain(text));
}

/** Whether a failure means that the connection itself is no good. */
export function breaksConnection(failure: StateFailure): boolean {
  return failure instanceof ClusterChanged || failure.kind === 'unreachable' || failure.kind === 'certificate';
}

export function isLeaseGone(error: unknown): boolean {
  return error instanceof Error && /lease not found/.test(error.message);
}

/** The token has run out, or users and roles have changed since it was made. */
export function needsNewToken(error: unknown): boolean {
  return (
    error instanceof Error && /invalid auth token|auth store is old|auth token is not provided/.test(error.message)
  );
}

/** The answer is larger than we take in one piece. */
export function isTooLarge(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === status.RESOURCE_EXHAUSTED &&
    /larger than max|message/.test(error.message)
  );
}

/** `14 UNAVAILABLE: No connection established. Last error: …` without the parts that say nothing, in one line. */
function plain(text: string): string {
  return text
    .replace(/^\d+ [A-Z_]+: /, '')
    .replace(/^No connection established\. Last error: /, '')
    .replace(/\. Resolution note:.*$/s, '')
    .replace(/[\p{Cc}]+/gu, ' ')
    .slice(0, 300);
}
