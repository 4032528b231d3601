/** A Log that keeps its lines for a test to look at. */
import type { Log, LogFields } from '../../src/runtime/ports.ts';

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: LogFields;
}

export function recordingLog(): Log & { readonly lines: readonly Line[] } {
  const lines: Line[] = [];
  const at =
    (level: Line['level']) =>
    (event: string, fields: LogFields = {}) =>
      void lines.push({ level, event, fields });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
