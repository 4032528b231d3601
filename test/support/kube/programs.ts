/** Whether a test can have an API server here. */
import { type KubeProgram, missingForServer } from '../../../src/lab/kube-programs.ts';

/** Undefined when it can; otherwise the reason, for the line a skipped suite says. */
export function kubeMissing(also: readonly KubeProgram[] = []): string | undefined {
  const missing = missingForServer(also);
  if (missing.length === 0) return undefined;
  return `no ${missing.join(', ')}: \`npm test\` builds what is missing where Go is installed`;
}
