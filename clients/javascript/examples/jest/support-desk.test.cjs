const { Mynah } = require('@mynah/testing');
const { ask } = require('../support-desk.cjs');

let mynah, account;
beforeAll(async () => (mynah = await Mynah.open()));
afterAll(() => mynah.stop());
beforeEach(async () => (account = await mynah.account()));
afterEach(() => account.remove());

test('asks again when it is turned away', async () => {
  await account.replies.queue('Your order is on its way.');
  await account.faults.add({ times: 2, effect: { status: 503 } });

  const answer = await ask(account.runnerUrl, account.key, 'Where is my order?');

  expect(answer).toBe('Your order is on its way.');
  await account.expectRequestCount(2, { status: 503 });
  await account.expectRequest({ body: { content: [{ text: /order/ }] }, status: 200 });
});
