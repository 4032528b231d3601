/** The value of a canary: when everything of a resource had been written. Readers ask for its presence only (§1.3). */

const encoder = new TextEncoder();

/** RFC 3339 in whole seconds, UTC. */
export function canaryValue(wallMs: number): Uint8Array {
  return encoder.encode(new Date(wallMs).toISOString().replace(/\.\d+/, ''));
}
