/** Stops what `global-setup` started, for jest. */
import { held } from './held.js';

/** Stops the server if one was started. */
export default async function teardown(): Promise<void> {
  await held.stop();
}
