/** `herald announced`: what a running process announces for its node, to whom, and what it does not and why. */
import type { AnnouncedView } from '../control/announced.ts';
import { ask, socketOption } from './client.ts';
import { defineCommand, outputOption } from './command.ts';
import { announcedTable, notAnnouncedText } from './report.ts';
import { json } from './table.ts';

export const announced = defineCommand({
  name: 'announced',
  about: `Shows what the node of a running Herald announces: prefixes to BGP peers, addresses on links, where each comes
from; then what it does not announce, with the reason and what to change.

  herald announced --socket /tmp/herald/herald.sock`,
  options: { socket: socketOption, output: outputOption },
  async run({ options, streams }) {
    const view = (await ask(options.socket, '/announced')) as AnnouncedView;
    if (options.output === 'json') streams.out(json(view));
    else {
      streams.out(announcedTable(view.announced));
      if (view.notAnnounced.length > 0) streams.out(`\n${notAnnouncedText(view.notAnnounced)}`);
    }
    return 0;
  },
});
