/**
 * argv → command → run. SIGTERM and SIGINT drain: the command is told, and the process ends by itself within bounds.
 */
import { enableCompileCache } from 'node:module';

const nodeMin = 24;

if (Number.parseInt(process.versions.node, 10) < nodeMin) {
  process.stderr.write(`herald: needs Node ${nodeMin} or newer, this is ${process.version}\n`);
  process.exit(69);
}
// Compiled code is kept between runs: a command starts in half the time.
enableCompileCache();
const { main } = await import('./cli/main.ts');
await main(process.argv.slice(2));
