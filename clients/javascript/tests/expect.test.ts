import { describe, expect, vi } from 'vitest';
import { Mynah, type Account } from '../src/index.js';
import { test } from '../src/vitest.js';
import { HI, list, run } from './support.js';

const RUN = '/v1/runner/YOUR_DEPLOYMENT_ID';

/** The message of an assertion that fails. */
async function failure(assertion: Promise<unknown>): Promise<string> {
  const error = await assertion.then(() => undefined, (error: Error) => error);
  expect(error?.name).toBe('RequestAssertionError');
  return error?.message ?? '';
}

test('a request is expected by a pattern, and returned', async ({ account }) => {
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
  expect(await failure(account.expectRequest(pattern))).toBe(`\
expected a request, but none matched
conditions:
    method: POST
    path: ${RUN}
    body: {"content":[{"type":"text","text":"Hi"}],"variables":{"TONE":"warm"}}
received 3 requests:
    1 GET /v1/runner/conversations?page=2 → 200
    2 POST ${RUN} → 200
        {"content":[{"type":"text","text":"Hi"}],"variables":{"TONE":"cold"}}
    3 POST ${RUN} → 400
        {"content":[]}
        ← {"error":{"type":"invalid_request_error","message":"content must be a non-empty array","param":"content","code":"empty_array"}}
nearest miss: 2 POST ${RUN} → 200
    body.variables.TONE: wanted "warm", found "cold"`);
});

test('a failure names what only the test compares', async ({ account }) => {
  await run(account, { ...HI, variables: { TONE: 'cold', customer_name: 'Ada' } });
  const variables = { TONE: expect.stringContaining('arm'), customer_name: () => true };
  const message = await failure(account.expectRequest({ body: { ...HI, variables } }));
  expect(message).toMatch(/\nrequest 1 differs only in what the test compares:\n    body\.variables\.TONE: found "cold"$/);
});

test('a long body is shown by its beginning', async ({ account }) => {
  const variables = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`name_${at}`, at]));
  await run(account, { ...HI, variables });
  const message = await failure(account.expectNoRequest());
  expect(message).toMatch(/^expected no request, but 1 matched \(1\)\n/);
  expect(message).toMatch(/\n        \{"content":\[.{280,300}…$/);
});

test('a failure without requests asks about the address and the key', async ({ account }) => {
  const message = await failure(account.expectRequestCount(2, { method: 'GET' }));
  expect(message).toBe(`\
expected exactly 2 requests, but 0 matched
conditions:
    method: GET
received no requests
Does the client speak to ${new URL(account.runnerUrl).origin}, and with this account's key?`);
});

test('a request that a fault refused shows its body', async ({ account }) => {
  await account.faults.add({ effect: { status: 502 } });
  await run(account);
  await account.expectRequest({ status: '5xx', body: HI });
  const message = await failure(account.expectRequest({ status: '2xx', body: HI }));
  expect(message).toContain('status: wanted 2xx, found 502');
  expect(message).not.toContain('none was read');
});

test('a failure says that no body was sent', async ({ account }) => {
  await fetch(account.runnerUrl.replace('/v1/runner', RUN), { method: 'POST', headers: { 'x-api-key': account.key } });
  const message = await failure(account.expectRequest({ body: HI }));
  expect(message).toContain('found none: none was sent, or none was read');
});

test('the stack of a failure begins in the test', async ({ account }) => {
  const error = await account.expectRequest({ path: '/x' }).catch((error: Error) => error);
  const frames = (error as Error).stack?.split('\n').filter((line) => line.startsWith('    at '));
  expect(frames?.[0]).toContain('expect.test.ts');
});

test('a misspelt criterion is refused', async ({ account }) => {
  const pattern = { methd: 'POST' } as object;
  await expect(account.expectNoRequest(pattern)).rejects.toThrow('match.methd is none of api, method');
});

test('a wait ends as soon as the request is there', async ({ account }) => {
  const waiting = account.waitFor({ body: { variables: { n: 2 } } });
  for (const n of [1, 2]) void run(account, { ...HI, variables: { n } });
  expect((await waiting).body.variables).toEqual({ n: 2 });
  const local = account.waitFor({ body: { variables: { n: (n: number) => n === 4 } } });
  for (const n of [3, 4]) void run(account, { ...HI, variables: { n } });
  expect((await local).body.variables).toEqual({ n: 4 });
  await account.expectRequestCount(4, {}, { timeoutMs: 5000 });
  const five = account.expectRequestCount(5, {}, { timeoutMs: 5000 });
  await run(account);
  expect(await five).toHaveLength(5);
});

test('a wait fails after its timeout', async ({ account }) => {
  await run(account);
  const message = await failure(account.waitFor({ method: 'GET' }, { timeoutMs: 50 }));
  expect(message).toContain('but none matched within 50 ms');
  expect(message).toContain('method: wanted "GET", found "POST"');
});

test('a count fails if the request log has lost requests', async () => {
  await using mynah = await Mynah.start({ flags: { 'journal-max': 1 } });
  const account = await mynah.account();
  await run(account);
  await list(account);
  const message = await failure(account.expectNoRequest({ method: 'POST' }));
  expect(message).toContain('but 0 matched, and the request log has lost 1 (--journal-max)');
  await account.expectRequest({ method: 'GET' });
});

test('the request log is filtered and cleared', async ({ account }) => {
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
      await failure(account.waitFor({ method: 'GET' }, { timeoutMs: 20 }));
      await using other: Account = await mynah.account();
      expect(other.key).not.toBe(account.key);
    } finally {
      vi.useRealTimers();
      vi.unstubAllGlobals();
    }
    expect((await said).status).toBe(200);
  });
});
