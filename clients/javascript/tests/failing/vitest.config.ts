import { defineConfig } from 'vitest/config';

// Not among the tests: `tests/vitest.test.ts` runs it and reads what it says.
export default defineConfig({ test: { include: ['failing.ts'], root: import.meta.dirname } });
