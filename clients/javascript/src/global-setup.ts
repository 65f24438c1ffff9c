/**
 * One server for the whole run, for vitest and jest: `globalSetup: '@mynah/testing/global-setup'`.
 * The workers find it by `MYNAH_URL`. If that is already set, the server there is used.
 */
import { Mynah } from './mynah.js';
import { shared } from './shared-server.js';

/** Starts the server. vitest calls the returned function at the end; jest uses `global-teardown`. */
export default async function setup(): Promise<() => Promise<void>> {
  if (process.env['MYNAH_URL']) return async () => {};
  shared.mynah = await Mynah.start();
  process.env['MYNAH_URL'] = shared.mynah.url;
  return shared.stop;
}
