/** What the codec throws when a peer's octets demand the end of the session; nothing else ever leaves it. */
import { Notification } from './notification.ts';

export class BgpError extends Error {
  override name = 'BgpError';
  /** What the peer is told before the connection closes. */
  readonly notification: Notification;
  /** What about it, for people. */
  readonly detail: string | undefined;

  constructor(notification: Notification, detail?: string) {
    super(detail === undefined ? Notification.format(notification) : `${Notification.format(notification)}: ${detail}`);
    this.notification = notification;
    this.detail = detail;
  }
}
