/** `examples/agent-chat.ts`: a client of agent runs. */
import { describe, expect } from 'vitest';
import { POLLS, RUNS, chat, shown, takesOrders, test, tool, trigger } from './agent-support.js';

describe('a chat', () => {
  test('runs the tool that a run asks for and shows the answer', async ({ account }) => {
    await takesOrders(account);
    const order = tool({ state: 'on its way' });
    const desk = chat(account, { get_order: { ...order, inputSchema: { type: 'object' } } });

    expect(await desk.send('Where is my order?', { variables: { ORDER: '9' } })).toBe(true);

    expect(order.run).toHaveBeenCalledExactlyOnceWith({ number: '9' });
    expect(shown(desk.items)).toEqual(['Where is my order?', 'get_order completed', 'It is on its way.']);
    expect([desk.runStatus, desk.conversationStatus, desk.pending]).toEqual(['completed', 'active', []]);
    await account.expectRequestCount(2, { ...RUNS, status: 200 });
    await account.expectRequest({
      ...RUNS,
      body: { client_capabilities: [{ name: 'get_order', input_schema: { type: 'object' } }] },
    });
  });

  test('takes two rounds and runs each tool once', async ({ account }) => {
    await takesOrders(account);
    const [order, ask] = [tool({ state: 'late' }), tool({ answer: 'no' })];
    const desk = chat(account, { get_order: order, ask_user: ask });

    await desk.send('My order?');

    const texts = ['My order?', 'get_order completed', 'It is late.', 'ask_user completed', 'You said no.'];
    expect(shown(desk.items)).toEqual(texts);
    expect([order.run.mock.calls.length, ask.run.mock.calls.length]).toEqual([1, 1]);
    await account.expectRequestCount(3, RUNS);
  });

  test('runs the tools of later runs too', async ({ account }) => {
    await takesOrders(account);
    const order = tool({ state: 'here' });
    const desk = chat(account, { get_order: order });
    for (const number of [1, 2, 3]) await desk.send(`Order ${number}?`);
    expect(order.run).toHaveBeenCalledTimes(3);
    expect(shown(desk.items)).toHaveLength(9);
    expect(new Set(desk.items.map((item) => item.call_id)).size).toBe(4);
  });

  test('sends what a tool throws as its result', async ({ account }) => {
    await takesOrders(account);
    const lost = () => Promise.reject(new Error('lost'));
    const desk = chat(account, { get_order: { run: lost } });
    await desk.send('My order?');
    expect(shown(desk.items).at(-1)).toBe('It is lost.');
  });

  test('waits for a result that the application gives', async ({ account }) => {
    await takesOrders(account);
    const order = tool({ state: 'here' });
    const desk = chat(account, { get_order: order, ask_user: {} });
    await desk.send('both');
    expect(desk.runStatus).toBe('waiting_for_client_action');
    expect(desk.pending.map(({ name }) => name)).toEqual(['get_order', 'ask_user']);
    await account.expectRequestCount(1, RUNS);

    await desk.resolve(desk.pending[1]!.call_id, { answer: 'yes' });

    expect(shown(desk.items).at(-1)).toBe('You said yes.');
    expect(order.run).toHaveBeenCalledOnce();
  });

  test('polls a run in the background until it has ended', async ({ account }) => {
    await account.replies.queue({ text: 'Done.', run: 'background', after_ms: 5000 });
    const desk = chat(account, {});
    await desk.send('Start');
    expect(shown(desk.items)).toEqual(['Start', 'Done.']);
    // At 0, 2, 4 and 6 seconds.
    await account.expectRequestCount(4, POLLS);
    expect(await account.clock.now()).toEqual(new Date('2026-05-01T12:00:06Z'));
  });

  test('leaves a completed conversation alone', async ({ account }) => {
    await account.replies.queue({ text: 'Goodbye.', complete: true });
    const order = tool({});
    const desk = chat(account, { get_order: order });
    await desk.send('Bye');
    expect([desk.conversationStatus, desk.runStatus]).toEqual(['completed', 'completed']);
    await account.expectRequestCount(1, POLLS);

    expect(await desk.send('One more order?')).toBe(false);

    expect(order.run).not.toHaveBeenCalled();
    expect(shown(desk.items)).toEqual(['Bye', 'Goodbye.']);
    await account.expectRequestCount(1, { ...RUNS, status: 409 });
    await account.expectRequestCount(2, POLLS);
  });

  test.for(['failed', 'interrupted'] as const)('ends with a run that %s', async (run, { account }) => {
    await account.replies.queue({ text: 'out of paper', run });
    const desk = chat(account, {});
    await desk.send('Hi');
    expect([desk.runStatus, desk.conversationStatus]).toEqual([run, 'active']);
  });

  test('starts from a trigger without a message of its own', async ({ account }) => {
    await takesOrders(account);
    const body = { content: [{ type: 'text', text: 'An order is late.' }], variables: { ORDER: '12' } };
    const id = await trigger(account, body);
    const order = tool({ state: 'found' });
    const desk = chat(account, { get_order: order });

    await desk.send('', { trigger_id: id });

    expect(order.run).toHaveBeenCalledExactlyOnceWith({ number: '12' });
    expect(shown(desk.items)).toEqual(['An order is late.', 'get_order completed', 'It is found.']);
    await account.expectRequest({ ...RUNS, body: { content: [], trigger_id: id } });
    expect(await account.triggers.list()).toContainEqual(
      expect.objectContaining({ id, conversation_id: desk.conversationId }),
    );
  });

  test('throws what refuses its start', async ({ account }) => {
    const id = await trigger(account, { content: [{ type: 'text', text: 'Hi' }], ttl_hours: 1 });
    await account.triggers.expire(id);
    for (const [trigger_id, status] of [[id, 400], ['trg_0', 404]] as const) {
      const start = chat(account, {}).send('', { trigger_id });
      await expect(start).rejects.toMatchObject({ name: 'Error', status });
    }
    await account.expectRequestCount(2, RUNS);
  });

  test('throws a 409 that answers the first message', async ({ account }) => {
    await account.faults.add({ effect: { status: 409 }, times: 1 });
    await expect(chat(account, {}).send('Hi')).rejects.toMatchObject({ status: 409 });
  });
});
