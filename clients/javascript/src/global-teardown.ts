/** Stops what `global-setup` started, for jest. */
import { shared } from './shared-server.js';

/** Stops the server if one was started. */
export default async function teardown(): Promise<void> {
  await shared.stop();
}
