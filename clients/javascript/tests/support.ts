import type { Account } from '../src/index.js';

/** What a client says in a test. */
export const HI = { content: [{ type: 'text', text: 'Hi' }] };

/** Runs the demo deployment, as a client of the Runner API does. */
export function run(account: Account, body: unknown = HI): Promise<Response> {
  return post(`${account.runnerUrl}/YOUR_DEPLOYMENT_ID`, account.runnerHeaders, body);
}

/** Asks a model of the Characters API, and gives its text. */
export async function complete(account: Account, content: string): Promise<string> {
  const messages = [{ role: 'user', content }];
  const body = { llm_id: 'model_abc123', messages };
  const { charactersUrl, charactersHeaders } = account;
  const answer = await post(`${charactersUrl}/completions`, charactersHeaders, body);
  return JSON.stringify(await answer.json());
}

/** Lists the account's conversations of the Runner API. */
export function list(account: Account, query = ''): Promise<Response> {
  return fetch(`${account.runnerUrl}/conversations${query}`, { headers: account.runnerHeaders });
}

/** The text of the answer to a run. */
export async function said(answer: Promise<Response>): Promise<string> {
  const body = (await (await answer).json()) as { content: string };
  return body.content;
}

function post(url: string, headers: Record<string, string>, body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}
