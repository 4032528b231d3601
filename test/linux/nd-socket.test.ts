/** The path with packet sockets, on the wire. */
import { wireSuite } from '../support/l2-wire.ts';

wireSuite('socket');
