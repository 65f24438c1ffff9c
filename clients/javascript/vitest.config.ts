import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

const built = resolve(import.meta.dirname, '../../target/debug/mynah');

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    env: { MYNAH_BINARY: process.env['MYNAH_BINARY'] ?? built },
  },
});
