/** Agent runs as their clients use them: results, the history, and the older protocol. */
import { afterEach, describe, expect, vi } from 'vitest';
import type { Item } from '../examples/agent-chat.js';
import type { Account } from '../src/index.js';
import { POLLS, RUNS, chat, message, post, shown, takesOrders, test, tool, url } from './agent-support.js';

describe('results', () => {
  /** A run that waits for both tools, and the results that it needs. */
  async function waiting(account: Account) {
    await takesOrders(account);
    const { body } = await post(account, message('both'));
    const [order, ask] = body.client_tool_calls.map(({ call_id }: { call_id: string }) => call_id);
    const results = [
      { call_id: order, output: { state: 'here' } },
      { call_id: ask, output: { answer: 'yes' } },
    ] as const;
    const resume = (tool_results: object[]) =>
      post(account, { conversation_id: body.conversation_id, tool_results });
    return { id: body.conversation_id as string, results, resume };
  }

  test('that are missing, double or wrong leave the run waiting', async ({ account }) => {
    const { id, results, resume } = await waiting(account);
    const [order, ask] = results;
    const unknown = { call_id: 'call_0', output: {} };
    const missing = [[], [order], [ask]];
    const double = [[order, order], [order, ask, order]];
    const others = [[order, unknown], [order, ask, unknown]];
    for (const wrong of [...missing, ...double, ...others]) expect((await resume(wrong)).status).toBe(400);
    expect((await resume([order, { ...ask, output: 'yes' }])).status).toBe(400);

    const tools = { get_order: tool({ state: 'here' }), ask_user: tool({ answer: 'no' }) };
    const desk = chat(account, tools, { conversationId: id });
    await desk.follow();
    expect(shown(desk.items)).toEqual(['both', 'get_order completed', 'ask_user completed', 'You said no.']);
  });

  test('that are repeated get the first answer, and others 409', async ({ account }) => {
    const { results, resume } = await waiting(account);
    const { body: first } = await resume([...results]);
    const { status, body: again } = await resume([...results]);
    expect([status, { ...again, request_id: first.request_id }]).toEqual([200, first]);
    const [order, ask] = results;
    const { status: refused, body } = await resume([order, { ...ask, output: { answer: 'no' } }]);
    expect([refused, body.error.code]).toEqual([409, 'tool_results_conflict']);
  });

  test('of a client that is too late are dropped after a 409', async ({ account }) => {
    const { id, results, resume } = await waiting(account);
    const order = { run: async () => ((await resume([...results])), { state: 'lost' }) };
    const desk = chat(account, { get_order: order, ask_user: tool({ answer: 'no' }) }, { conversationId: id });
    await desk.follow();
    expect(shown(desk.items).at(-1)).toBe('You said yes.');
    expect(desk.pending).toEqual([]);
    await account.expectRequestCount(1, { ...RUNS, status: 409 });
  });

  test('come too late for a run that has expired', async ({ account }) => {
    await takesOrders(account);
    const slow = { run: async () => ((await account.clock.advance(24 * 60 * 60)), { state: 'here' }) };
    const desk = chat(account, { get_order: slow });
    await desk.send('My order?');
    expect([desk.runStatus, desk.pending]).toEqual(['expired', []]);
    expect(shown(desk.items)).toEqual(['My order?', 'get_order expired']);
    await account.expectRequest({ ...RUNS, status: 409, answer: { error: { code: 'run_expired' } } });
    expect(await desk.send('Hello?')).toBe(true);
    expect(desk.runStatus).toBe('completed');
  });

  test('of a run that waits are sent by a client that opens its conversation', async ({ account }) => {
    const { id } = await waiting(account);
    const tools = { get_order: tool({ state: 'here' }), ask_user: tool({ answer: 'yes' }) };
    const desk = chat(account, tools, { conversationId: id });
    // The message is refused; the calls that wait are answered.
    expect(await desk.send('Hello?')).toBe(false);
    expect(shown(desk.items)).toEqual(['both', 'get_order completed', 'ask_user completed', 'You said yes.']);
    expect(await desk.send('Hello?')).toBe(true);
    expect(shown(desk.items)).toHaveLength(6);
  });
});

describe('the history', () => {
  afterEach(() => void vi.unstubAllGlobals());

  test('is read over three pages while items are added', async ({ account }) => {
    const other = chat(account, {});
    for (const text of ['1', '2', '3', '4', '5']) {
      await account.replies.queue(`${text}!`);
      await other.send(text);
    }
    const conversation = { conversationId: other.conversationId! };
    const desk = chat(account, {}, { ...conversation, pageSize: 4 });
    const before = shown(other.items);
    expect(before).toHaveLength(10);
    // Before each of the older pages another client sends a message.
    const through = globalThis.fetch;
    const pages: string[] = [];
    vi.stubGlobal('fetch', async (address: string, init: RequestInit) => {
      pages.push(address);
      if (address.includes('cursor=')) {
        const body = JSON.stringify({ ...message('More'), conversation_id: other.conversationId });
        await through(`${url(account)}/conversation`, { method: 'POST', headers: account.runnerHeaders, body });
      }
      return through(address, init);
    });

    await desk.follow();

    expect(pages).toHaveLength(3);
    expect(shown(desk.items)).toEqual(before);
    vi.unstubAllGlobals();
    // The new items fill one page, and the next page has items that were read before.
    await desk.follow();
    await account.expectRequestCount(3 + 2, { ...POLLS, query: { limit: '4' } });
    await other.follow();
    expect(desk.items).toEqual(other.items);
    expect(desk.items).toHaveLength(14);
  });

  test('shows calls that were pending at the end of a page as completed later', async ({ account }) => {
    await takesOrders(account);
    const desk = chat(account, { get_order: {}, ask_user: {} }, { pageSize: 1 });
    await desk.send('both');
    expect(shown(desk.items)).toEqual(['both', 'get_order pending', 'ask_user pending']);
    const [order, ask] = desk.pending;
    await desk.resolve(order!.call_id, { state: 'here' });
    await desk.resolve(ask!.call_id, { answer: 'yes' });
    expect(shown(desk.items)).toEqual(['both', 'get_order completed', 'ask_user completed', 'You said yes.']);
  });

  test('sorts as it was made, by time and then by id, with ids that stay', async ({ account }) => {
    await takesOrders(account);
    const tools = { get_order: tool({ state: 'late' }), ask_user: tool({ answer: 'yes' }) };
    const desk = chat(account, tools);
    for (const text of ['order 1', 'both', 'Hi', 'order 2']) await desk.send(text);
    const history = await fetch(`${url(account)}/conversation/${desk.conversationId}/history?limit=100`, {
      headers: account.runnerHeaders,
    });
    const { items } = (await history.json()) as { items: Item[] };
    // The clock stands still, so the ids decide.
    expect(new Set(items.map((item) => item.created_at))).toEqual(new Set(['2026-05-01T12:00:00.000Z']));
    expect(items).toEqual(desk.items);
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
    await account.clock.advance(0.001);
    await desk.send('Hi');
    expect(desk.items.slice(0, items.length)).toEqual(items);
    expect(desk.items.at(-1)).toMatchObject({ created_at: '2026-05-01T12:00:00.001Z' });
  });
});

describe('a client of an older version', () => {
  test('resumes with run_id while status is requires_client_action', async ({ account }) => {
    await takesOrders(account);
    const outputs: Record<string, object> = { get_order: { state: 'late' }, ask_user: { answer: 'no' } };
    let { body: turn } = await post(account, message('My order?'));
    const rounds = [];
    while (turn.status === 'requires_client_action') {
      expect(turn.run_id).toEqual(expect.any(String));
      const calls: { call_id: string; name: string }[] = turn.client_tool_calls;
      rounds.push(calls.map(({ name }) => name));
      const tool_results = calls.map(({ call_id, name }) => ({ call_id, output: outputs[name] }));
      const { conversation_id, run_id } = turn;
      const resumed = await post(account, { conversation_id, run_id, tool_results });
      expect([resumed.status, resumed.body.run_id]).toEqual([200, run_id]);
      turn = resumed.body;
    }
    expect(rounds).toEqual([['get_order'], ['ask_user']]);
    expect([turn.status, turn.content]).toEqual(['completed', 'You said no.']);
  });
});
