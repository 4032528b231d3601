/** The in-kernel path with the packet sockets behind it, on the wire. */
import { wireSuite } from '../support/l2-wire.ts';

wireSuite('ebpf');
