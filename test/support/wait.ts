/** Waiting for a condition of the real world: polled, with an end, and a reason when it never came. */
import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  readonly limitMs?: number;
  readonly everyMs?: number;
  /** Worth seeing when it never came, such as a log. */
  readonly detail?: () => string;
  /** True when waiting any longer makes no sense. */
  readonly hopeless?: () => boolean;
}

/**
 * Asks `probe` until it gives something else than undefined or false. Rejects after `limitMs` with `what` and the last
 * error the probe threw.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { limitMs = 30_000, everyMs = 20, detail = () => '', hopeless = () => false }: EventuallyOptions = {},
): Promise<T> {
  const endMs = performance.now() + limitMs;
  let last: unknown;
  do {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (hopeless()) break;
    await delay(everyMs);
  } while (performance.now() < endMs);
  const why = last instanceof Error ? `: ${last.message}` : '';
  throw new Error(`never within ${limitMs} ms: ${what}${why}\n${detail()}`);
}
