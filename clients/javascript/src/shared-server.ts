import type { Mynah } from './mynah.js';

/** The server of the run, between setup and teardown. */
interface SharedServer {
  mynah?: Mynah | undefined;
  stop(): Promise<void>;
}

// jest may load setup and teardown in separate module registries, so the global object holds it.
const KEY = Symbol.for('@mynah/testing: the server of the run');
const holder = globalThis as { [KEY]?: SharedServer };

export const shared: SharedServer = (holder[KEY] ??= {
  async stop() {
    const mynah = shared.mynah;
    shared.mynah = undefined;
    if (mynah === undefined) return;
    delete process.env['MYNAH_URL'];
    await mynah.stop();
  },
});
