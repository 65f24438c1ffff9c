import { expect } from 'vitest';
import { test } from '../../src/vitest.js';
import { list, run } from '../support.js';

test('fails by its answer', async ({ account }) => {
  expect((await list(account)).status).toBe(418);
});

test('fails by its requests', async ({ account }) => {
  await run(account);
  await account.expectRequest({ method: 'DELETE' });
});
