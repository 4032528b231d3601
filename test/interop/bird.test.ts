/** Herald against BIRD 2. */
import { interopSuite } from '../support/interop-suite.ts';

interopSuite('bird', {
  ownCrossFamily: true,
  listensWithMd5: true,
  asksForRefresh: true,
  comesBackSoon: true,
  assumesExtendedNextHop: false,
  extendedMessages: true,
  linkLocal: ['herald', 'router'],
  routeTarget: 'rt:65000:1',
});
