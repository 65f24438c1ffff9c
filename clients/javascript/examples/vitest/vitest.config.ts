import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { globalSetup: '@mynah/testing/global-setup' },
});
