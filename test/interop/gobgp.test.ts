/** Herald against GoBGP 3: no extended messages, no request for refresh, and 30 s of silence after a reset. */
import { interopSuite } from '../support/interop-suite.ts';

interopSuite('gobgp', {
  ownCrossFamily: false,
  listensWithMd5: true,
  asksForRefresh: false,
  comesBackSoon: false,
  assumesExtendedNextHop: true,
  extendedMessages: false,
  linkLocal: [],
  routeTarget: '65000:1',
});
