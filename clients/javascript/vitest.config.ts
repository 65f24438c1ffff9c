import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

const built = resolve(import.meta.dirname, '../../target/debug/mynah');

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Tests wait for what happens, however long a machine with other work to do takes for it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: { MYNAH_BINARY: process.env['MYNAH_BINARY'] ?? built },
  },
});
