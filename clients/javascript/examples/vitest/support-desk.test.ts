import { test } from '@mynah/testing/vitest';
import { expect } from 'vitest';
import { ask } from '../support-desk.cjs';

test('asks again when it is turned away', async ({ account }) => {
  await account.replies.queue('Your order is on its way.');
  await account.faults.add({ times: 2, effect: { status: 503 } });

  const answer = await ask(account.runnerUrl, account.key, 'Where is my order?');

  expect(answer).toBe('Your order is on its way.');
  await account.expectRequestCount(2, { status: 503 });
  await account.expectRequest({
    method: 'POST',
    path: '/v1/runner/YOUR_DEPLOYMENT_ID',
    body: { content: [{ text: expect.stringContaining('order') }] },
    status: 200,
  });
});

const testOnFree = test.extend({
  accountOptions: { plan: 'free', clock: '2026-01-01T00:00:00Z' },
});

testOnFree('runs on the free plan', async ({ account }) => {
  await ask(account.runnerUrl, account.key, 'Hi');
  await account.expectNoRequest({ status: '4xx' });
});
