/** A program with one command that never ends, whatever it is told: for what the frame does about that. */
import { defineCommand } from '../../src/cli/command.ts';
import { main } from '../../src/cli/main.ts';

const stubborn = defineCommand({
  name: 'stubborn',
  about: '',
  options: {},
  run: ({ streams, signal }) => {
    setInterval(() => {}, 1000);
    signal.addEventListener('abort', () => streams.out('told\n'));
    streams.out('started\n');
    return new Promise(() => {});
  },
});

await main(['stubborn'], { stubborn: { summary: '', load: async () => stubborn } });
