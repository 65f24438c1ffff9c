import { describe, expect, vi } from 'vitest';
import { Mynah, type Account } from '../src/index.js';
import { test } from '../src/vitest.js';
import { HI, list, run } from './support.js';

const RUN = '/v1/runner/YOUR_DEPLOYMENT_ID';

/** What an assertion that does not hold says. */
async function complaint(assertion: Promise<unknown>): Promise<string> {
  const fault = await assertion.then(() => undefined, (fault: Error) => fault);
  expect(fault?.name).toBe('RequestAssertionError');
  return fault?.message ?? '';
}

test('a request is expected by what is said of it, and given', async ({ account }) => {
  await run(account, { ...HI, variables: { customer_name: 'Ada', TONE: 'warm' } });
  const entry = await account.expectRequest({
    method: 'post',
    path: '/v1/runner/*',
    route: '/v1/runner/{deployment_id}',
    headers: { 'Content-Type': 'application/json' },
    body: { content: [{ text: /^H/ }], variables: { TONE: expect.stringContaining('arm') } },
    status: 200,
    answer: { content: (text: string) => text.length > 0 },
    model: { turn: 1, variables: { customer_name: 'Ada' } },
    end: 'complete',
  });
  expect(entry).toMatchObject({ number: 1, path: RUN, answer: { status: 200 } });
  await list(account, '?userId=user_7');
  await account.expectRequest({ path: /conversations$/, query: { userId: 'user_7' } });
  await account.expectNoRequest({ method: 'DELETE' });
  await account.expectRequestCount(2);
});

test('a failure names the nearest miss, what differs, and all that came', async ({ account }) => {
  await list(account, '?page=2');
  await run(account, { ...HI, variables: { TONE: 'cold' } });
  await run(account, { content: [] });
  const pattern = { method: 'POST', path: RUN, body: { ...HI, variables: { TONE: 'warm' } } };
  expect(await complaint(account.expectRequest(pattern))).toBe(`\
expected a request POST ${RUN} with
    body {"content":[{"type":"text","text":"Hi"}],"variables":{"TONE":"warm"}}
but none came

Nearest: 2 POST ${RUN} → 200
  body.variables.TONE: wanted "warm", found "cold"

Received, oldest first:
  1 GET /v1/runner/conversations?page=2 → 200
  2 POST ${RUN} → 200
      {"content":[{"type":"text","text":"Hi"}],"variables":{"TONE":"cold"}}
  3 POST ${RUN} → 400
      {"content":[]}
      ← {"error":{"type":"invalid_request_error","message":"content must be a non-empty array","param":"content","code":"empty_array"}}`);
});

test('a long body is shown by its first lines', async ({ account }) => {
  const variables = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`name_${at}`, at]));
  await run(account, { ...HI, variables });
  const said = await complaint(account.expectNoRequest());
  expect(said).toContain('but it came once (1)');
  expect(said).toContain('      {\n        "content": [');
  expect(said).toMatch(/… \d\d more lines$/);
});

test('where nothing came, the failure asks after address and key', async ({ account }) => {
  const said = await complaint(account.expectRequestCount(2, { method: 'GET' }));
  expect(said).toBe(`\
expected exactly 2 requests GET
but it came never

Nothing was received. Does the client speak to ${new URL(account.runnerUrl).origin}, and with this account's key?`);
});

test('a request that a fault refused shows its body', async ({ account }) => {
  await account.faults.add({ effect: { status: 502 } });
  await run(account);
  await account.expectRequest({ status: '5xx', body: HI });
  const said = await complaint(account.expectRequest({ status: '2xx', body: HI }));
  expect(said).toContain('status: wanted "2xx", found "5xx"');
  expect(said).not.toContain('no body is known');
});

test('a body that was not sent is no mystery', async ({ account }) => {
  await fetch(account.runnerUrl.replace('/v1/runner', RUN), { method: 'POST', headers: { 'x-api-key': account.key } });
  const said = await complaint(account.expectRequest({ body: HI }));
  expect(said).toContain('no body is known: none was sent, or not before the answer');
});

test('the stack of a failure begins in the test', async ({ account }) => {
  const fault = await account.expectRequest({ path: '/x' }).catch((fault: Error) => fault);
  const frames = (fault as Error).stack?.split('\n').filter((line) => line.startsWith('    at '));
  expect(frames?.[0]).toContain('expect.test.ts');
});

test('a misspelt part is refused, not passed over', async ({ account }) => {
  const pattern = { methd: 'POST' } as object;
  await expect(account.expectNoRequest(pattern)).rejects.toThrow('methd is no part of a request');
});

test('what is waited for is given as soon as it came', async ({ account }) => {
  const waiting = account.waitFor({ body: { variables: { n: 2 } } });
  for (const n of [1, 2]) void run(account, { ...HI, variables: { n } });
  expect((await waiting).body.variables).toEqual({ n: 2 });
  const three = account.expectRequestCount(3, {}, { timeoutMs: 5000 });
  await run(account);
  expect(await three).toHaveLength(3);
});

test('what is waited for in vain fails in its time', async ({ account }) => {
  await run(account);
  const said = await complaint(account.waitFor({ method: 'GET' }, { timeoutMs: 50 }));
  expect(said).toContain('but none came within 50 ms');
  expect(said).toContain('method: wanted "GET", found "POST"');
});

test('where the journal has lost requests, their number is not known', async () => {
  await using mynah = await Mynah.start({ flags: { 'journal-max': 1 } });
  const account = await mynah.account();
  await run(account);
  await list(account);
  const said = await complaint(account.expectNoRequest({ method: 'POST' }));
  expect(said).toContain('it came never, and the journal has lost 1 (--journal-max)');
  await account.expectRequest({ method: 'GET' });
});

test('the journal is picked from and cleared', async ({ account }) => {
  await run(account);
  await list(account);
  expect(await account.requests({ method: 'GET' })).toHaveLength(1);
  expect(await account.requests({ limit: 1 })).toMatchObject([{ number: 2 }]);
  expect(await account.journal.listing({ status: '4xx' })).toMatchObject({ count: 0, kept: 2 });
  await account.journal.clear();
  await account.expectNoRequest();
});

describe("with the test's own fetch and clock", () => {
  test('everything works as before', async ({ mynah, account }) => {
    const said = run(account);
    vi.stubGlobal('fetch', () => Promise.reject(new Error('no network')));
    vi.useFakeTimers();
    try {
      await account.waitFor({ method: 'POST' });
      await complaint(account.waitFor({ method: 'GET' }, { timeoutMs: 20 }));
      await using other: Account = await mynah.account();
      expect(other.key).not.toBe(account.key);
    } finally {
      vi.useRealTimers();
      vi.unstubAllGlobals();
    }
    expect((await said).status).toBe(200);
  });
});
