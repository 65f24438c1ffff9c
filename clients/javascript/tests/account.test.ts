import { describe, expect } from 'vitest';
import { MynahError } from '../src/index.js';
import { test } from '../src/vitest.js';
import { complete, list, run, said } from './support.js';

const MIDNIGHT = '2026-01-01T00:00:00Z';

test('two accounts draw the same ids and see nothing of each other', async ({ mynah }) => {
  const [one, other] = [await mynah.account({ clock: MIDNIGHT }), await mynah.account({ clock: MIDNIGHT })];
  const [first, second] = [await run(one), await run(other)];
  expect(await first.json()).toEqual(await second.json());
  await one.expectRequestCount(1);
  await other.expectRequestCount(1);
});

test('an account is made as it is asked for, changed and reset', async ({ mynah }) => {
  const account = await mynah.account({ plan: 'free', balance: 12.5, clock: new Date(MIDNIGHT) });
  const made = { plan: 'free', balance: '12.5', clock: { now: MIDNIGHT, frozen: true } };
  expect(await account.state()).toMatchObject(made);
  const changed = await account.change({ plan: 'pro', balance: 3, requests_per_minute: 2 });
  expect(changed).toMatchObject({ plan: 'pro', balance: '3', requests_per_minute: 2 });
  expect(await account.reset()).toMatchObject(made);
});

test('a removed account is gone, and may be removed again', async ({ mynah }) => {
  const account = await mynah.account();
  await account.remove();
  await account.remove();
  expect((await run(account)).status).toBe(401);
  expect((await mynah.accounts()).map(({ id }) => id)).not.toContain(account.id);
});

test('an account goes at the end of its block', async ({ mynah }) => {
  let id;
  {
    await using account = await mynah.account();
    id = account.id;
  }
  expect((await mynah.accounts()).map((account) => account.id)).not.toContain(id);
});

test('an account of the fixtures is there already', async ({ mynah }) => {
  const demo = mynah.existing('demo-other', 'other_api_key');
  expect((await list(demo)).status).toBe(200);
  await demo.expectRequest({ method: 'GET' });
  await demo.reset();
});

test('what the control plane refuses is told with its reason', async ({ mynah }) => {
  const refused = await mynah.account({ plan: 'gold' }).catch((fault: unknown) => fault);
  expect(refused).toBeInstanceOf(MynahError);
  expect(refused).toMatchObject({ status: 400, message: expect.stringContaining('`gold`') });
});

test('a trigger is listed and expires', async ({ account }) => {
  const [seeded] = await account.triggers.list();
  expect(seeded).toMatchObject({ id: 'trg_123abc', expired: false });
  expect(await account.triggers.expire('trg_123abc')).toMatchObject({ expired: true });
});

test('an agent run is listed and resumed', async ({ account }) => {
  const url = `${account.runnerUrl.replace('/v1/', '/v2/')}/AGENT_DEPLOYMENT_ID/conversation`;
  const content = [{ type: 'text', text: 'What is the weather in Oslo?' }];
  await fetch(url, {
    method: 'POST',
    headers: account.runnerHeaders,
    body: JSON.stringify({ content, client_capabilities: ['get_weather'] }),
  });
  const [run] = await account.runs.list();
  expect(run).toMatchObject({ run_status: 'waiting_for_client_action' });
  const { call_id } = run!.client_tool_calls[0]!;
  const resumed = await account.runs.resume(run!.run_id, [{ call_id, output: { sky: 'clear' } }]);
  expect(resumed).toMatchObject({ run_id: run!.run_id, run_status: 'completed' });
});

describe('clock', () => {
  test('stands still, is set, advanced, and runs on', async ({ account }) => {
    expect(await account.clock.freeze(MIDNIGHT)).toEqual({ now: MIDNIGHT, frozen: true });
    await account.clock.advance(90);
    expect(await account.clock.now()).toEqual(new Date('2026-01-01T00:01:30Z'));
    await account.clock.advance(0.25);
    await account.clock.advance(0.75);
    expect(await account.clock.now()).toEqual(new Date('2026-01-01T00:01:31Z'));
    expect(await account.clock.set('2026-02-01T00:00:00Z')).toMatchObject({ frozen: true });
    expect(await account.clock.run()).toMatchObject({ frozen: false });
    expect(await account.clock.freeze()).toMatchObject({ frozen: true });
  });

  test('a minute later the limit is open again', async ({ mynah }) => {
    const account = await mynah.account({ plan: 'free', clock: MIDNIGHT });
    await account.change({ requests_per_minute: 1 });
    await complete(account, 'Hi');
    await complete(account, 'Hi');
    await account.expectRequestCount(1, { status: 429, api: 'characters' });
    await account.clock.advance(60);
    await complete(account, 'Hi');
    await account.expectRequestCount(2, { status: '2xx' });
  });
});

describe('faults', () => {
  test('are met as often as they say, and listed', async ({ account }) => {
    const fault = await account.faults.add({
      when: { route: '/v1/runner/{deployment_id}' },
      times: 1,
      effect: { status: 503, retry_after: 5 },
    });
    expect((await run(account)).status).toBe(503);
    expect((await run(account)).status).toBe(200);
    expect(await account.faults.list()).toMatchObject([{ id: fault.id, fired: 1 }]);
    await account.expectRequest({ fault: 'status', status: 503 });
  });

  test('are taken away, one or all', async ({ account }) => {
    const { id } = await account.faults.add({ effect: { drop: 'before_answer' } });
    await expect(run(account)).rejects.toThrow();
    await account.faults.remove(id);
    await account.faults.add({ effect: { body: 'malformed' } });
    await account.faults.clear();
    expect(await account.faults.list()).toEqual([]);
    expect((await run(account)).status).toBe(200);
    await account.expectRequest({ end: 'broken' });
  });
});

describe('replies', () => {
  test('of the queue come first, one each', async ({ account }) => {
    await account.replies.queue('Yes.', { json: { answer: 42 } });
    await account.replies.queueFor('characters', 'It depends.');
    expect(await said(run(account))).toBe('Yes.');
    expect(await complete(account, 'Does it?')).toContain('42');
    expect(await complete(account, 'Does it?')).toContain('It depends.');
    expect((await account.replies.list()).queue).toEqual([]);
  });

  test('of rules go by what was said', async ({ account }) => {
    const hello = await account.replies.rule({ when: { contains: 'hi' }, reply: [{ text: 'Hello.' }] });
    const first = { id: 'once', times: 1, reply: [{ text: 'Welcome!' }] };
    await account.replies.rule(first, { at: 0 });
    expect(await said(run(account))).toBe('Welcome!');
    expect(await said(run(account))).toBe('Hello.');
    await account.expectRequest({ model: { rule: hello.id } });
    const { rules } = await account.replies.list();
    expect(rules.map(({ id, answered }) => [id, answered])).toEqual([['once', 1], [hello.id, 1]]);
  });

  test('are put in another order and taken away', async ({ account }) => {
    const rule = (text: string) => account.replies.rule({ reply: [{ text }] });
    const [one, two] = [await rule('One'), await rule('Two')];
    await account.replies.replaceRules([two.id, one.id]);
    expect(await said(run(account))).toBe('Two');
    await account.replies.removeRule(two.id);
    expect(await said(run(account))).toBe('One');
    await account.replies.queue('Three');
    await account.replies.clearQueue();
    await account.replies.clear();
    expect(await account.replies.list()).toEqual({ rules: [], queue: [] });
  });
});

test('a snapshot is put back, and a fork starts from where its account was', async ({ account }) => {
  const before = await account.snapshot();
  await account.change({ balance: '7' });
  await using fork = await account.fork({ clock: MIDNIGHT });
  expect(await fork.state()).toMatchObject({ balance: '7', clock: { now: MIDNIGHT } });
  await account.restore(before);
  expect((await account.state()).balance).toBe(before['balance']);
  expect((await run(fork)).status).toBe(200);
});

describe('an account with options', () => {
  const broke = test.extend({ accountOptions: { balance: '0' } });

  broke('is made with them', async ({ account }) => {
    expect((await account.state()).balance).toBe('0');
  });
});
