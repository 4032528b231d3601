/** Herald against FRR 8. */
import { interopSuite } from '../support/interop-suite.ts';

interopSuite('frr', {
  ownCrossFamily: true,
  listensWithMd5: true,
  asksForRefresh: true,
  comesBackSoon: true,
  assumesExtendedNextHop: false,
  extendedMessages: true,
  linkLocal: ['herald'],
  routeTarget: 'RT:65000:1',
});
