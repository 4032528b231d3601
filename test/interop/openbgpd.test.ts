/** Herald against OpenBGPD 7: on Linux its listener has no MD5 keys, and its next hop of the other family is ::1. */
import { interopSuite } from '../support/interop-suite.ts';

interopSuite('openbgpd', {
  ownCrossFamily: false,
  listensWithMd5: false,
  asksForRefresh: true,
  comesBackSoon: true,
  assumesExtendedNextHop: false,
  extendedMessages: false,
  linkLocal: [],
  routeTarget: 'rt 65000:1',
});
