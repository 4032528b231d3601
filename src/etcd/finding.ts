/** One step of an examination and what it found. */
export interface Finding {
  readonly step: string;
  readonly outcome: 'ok' | 'warning' | 'failed';
  /** What was found, or the reason. */
  readonly detail: string;
}
