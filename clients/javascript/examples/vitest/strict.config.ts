import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { globalSetup: './strict-setup.ts' },
});
