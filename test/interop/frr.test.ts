/** Herald against FRR 8. */
import { interopSuite } from '../support/interop-suite.ts';

interopSuite('frr', {
  ownCrossFamily: true,
  listensWithMd5: true,
  asksForRefresh: true,
  comesBackSoon: true,
  assumesExtendedNextHop: false,
  extendedMessages: true,
  // FRR 8.4 itself never opens one: it waits for a next hop of fe80::/64 from zebra.
  linkLocal: ['herald'],
  routeTarget: 'RT:65000:1',
});
