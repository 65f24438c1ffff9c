import type { Mynah } from './mynah.js';

/** The server of the run, between setup and teardown. */
interface Held {
  mynah?: Mynah | undefined;
  stop(): Promise<void>;
}

// jest may load setup and teardown in separate module registries, so the global object holds it.
const HELD = Symbol.for('@mynah/testing: the server of the run');
const holder = globalThis as { [HELD]?: Held };

export const held: Held = (holder[HELD] ??= {
  async stop() {
    const mynah = held.mynah;
    held.mynah = undefined;
    if (mynah === undefined) return;
    delete process.env['MYNAH_URL'];
    await mynah.stop();
  },
});
