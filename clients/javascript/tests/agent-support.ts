/** An order desk for the tests of agent runs. */
import { vi } from 'vitest';
import { AgentChat, type ChatOptions, type Item, type Tool } from '../examples/agent-chat.js';
import type { Account } from '../src/index.js';
import { test as base } from '../src/vitest.js';

const NOON = '2026-05-01T12:00:00Z';
export const DEPLOYMENT = 'AGENT_DEPLOYMENT_ID';
/** Requests that start, continue or resume a run, and those for its history. */
export const RUNS = { method: 'POST', path: `/v2/runner/${DEPLOYMENT}/conversation` } as const;
export const POLLS = { method: 'GET', path: `/v2/runner/${DEPLOYMENT}/conversation/*` } as const;

export const test = base.extend({ accountOptions: { clock: NOON } });

/** Adds the rules of an order desk to the account. */
export async function takesOrders({ replies }: Account): Promise<void> {
  const call = (name: string, fields = {}) => ({ name, arguments: fields });
  await replies.rule({
    when: { contains: 'order', capability: 'get_order' },
    reply: [{ tool_calls: [call('get_order', { number: "{{ variables.ORDER or '7' }}" })] }],
  });
  await replies.rule({
    when: { contains: 'both', capability: 'ask_user' },
    reply: [{ tool_calls: [call('get_order', { number: '1' }), call('ask_user')] }],
  });
  await replies.rule({
    when: { tool_result: { name: 'get_order', contains: 'late' }, capability: 'ask_user' },
    reply: [{ text: 'It is late.', tool_calls: [call('ask_user', { question: 'Cancel it?' })] }],
  });
  await replies.rule({
    when: { tool_result: { name: 'ask_user' } },
    reply: [{ text: 'You said {{ (tool_results | last).output.answer }}.' }],
  });
  await replies.rule({
    when: { tool_result: { name: 'get_order' } },
    reply: [{ text: 'It is {{ tool_results[0].output.state or tool_results[0].output.error }}.' }],
  });
}

/** A tool with the output `output`, which counts its calls. */
export function tool(output: object) {
  return { run: vi.fn((_: unknown) => output) };
}

/** A chat whose pauses advance the account's clock by two seconds. */
export function chat(
  account: Account,
  tools: Record<string, Tool>,
  options: Partial<ChatOptions> = {},
): AgentChat {
  const { key } = account;
  const pause = () => account.clock.advance(2);
  return new AgentChat({ url: url(account), key, tools, pause, ...options });
}

export function url(account: Account): string {
  return `${new URL(account.runnerUrl).origin}/v2/runner/${DEPLOYMENT}`;
}

/** Creates a trigger and returns its id. */
export async function trigger(account: Account, body: object): Promise<string> {
  const init = { method: 'POST', headers: account.runnerHeaders, body: JSON.stringify(body) };
  const response = await fetch(`${account.runnerUrl}/${DEPLOYMENT}/trigger`, init);
  return ((await response.json()) as { id: string }).id;
}

/** Sends `body` as another client would. */
export async function post(account: Account, body: object): Promise<{ status: number; body: any }> {
  const init = { method: 'POST', headers: account.runnerHeaders, body: JSON.stringify(body) };
  const response = await fetch(`${url(account)}/conversation`, init);
  return { status: response.status, body: await response.json() };
}

export function message(text: string): object {
  return { content: [{ type: 'text', text }], client_capabilities: ['get_order', 'ask_user'] };
}

/** The text of a message, or the name and the status of a call. */
export function shown(items: Item[]): string[] {
  return items.map((item) => item.content?.[0]?.text ?? `${item.name} ${item.status}`);
}
