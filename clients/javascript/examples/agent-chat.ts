/**
 * A client of the Runner API for agent runs: `POST` and `GET /v2/runner/{deployment_id}/conversation…`.
 * A run may call tools of the client, which runs them and resumes the run with their results.
 */

/** A tool that the client offers. */
export interface Tool {
  /** A JSON Schema of the arguments. */
  inputSchema?: object;
  /** Returns the output; an error is sent as `{ error }`. Without it, the application calls `resolve`. */
  run?(args: any): object | Promise<object>;
}

/** A call that waits for its result. */
export interface ToolCall {
  call_id: string;
  name: string;
  arguments: Record<string, unknown>;
}

/** An item of the history: a message has `role` and `content`, a call of a tool `name` and `status`. */
export interface Item extends Partial<ToolCall> {
  id: string;
  type: string;
  created_at: string;
  role?: string;
  content?: { type: string; text?: string }[];
  status?: string;
}

interface HistoryPage {
  conversation_status: string;
  run_status?: string | null;
  pending_client_actions?: ToolCall[];
  items: Item[];
  next_cursor?: string | null;
}

export interface ChatOptions {
  /** The URL of the deployment: `http://…/v2/runner/{deployment_id}`. */
  url: string;
  key: string;
  tools: Record<string, Tool>;
  /** An existing conversation to continue. */
  conversationId?: string;
  /** Waits between two polls; default: two seconds. */
  pause?: () => Promise<unknown>;
  /** Items on a page of the history, 1 to 100. */
  pageSize?: number;
}

/** What starts a conversation besides its first message. */
export interface StartOptions {
  variables?: Record<string, unknown>;
  meta?: Record<string, string | number | boolean>;
  trigger_id?: string;
}

/** An answer that is neither 2xx nor a 409 in a conversation. */
export class StatusError extends Error {
  constructor(readonly status: number, body: string) {
    super(`status ${status}: ${body}`);
  }
}

export class AgentChat {
  conversationId: string | undefined;
  conversationStatus = 'active';
  runStatus: string | undefined;
  /** All calls that wait now. */
  pending: ToolCall[] = [];
  readonly #items = new Map<string, Item>();
  /** The output for each call: a tool is run once for a call, however often its result is sent. */
  readonly #outputs = new Map<string, object>();

  constructor(private readonly options: ChatOptions) {
    this.conversationId = options.conversationId;
  }

  /** Messages and calls, oldest first. */
  get items(): Item[] {
    const order = (a: Item, b: Item) =>
      Date.parse(a.created_at) - Date.parse(b.created_at) || a.id.localeCompare(b.id);
    return [...this.#items.values()].sort(order);
  }

  /**
   * Sends a message and follows the run; `false` if the conversation did not take the message (409).
   * With `trigger_id`, `text` may be empty.
   */
  async send(text: string, start: StartOptions = {}): Promise<boolean> {
    const content = text === '' ? [] : [{ type: 'text', text }];
    const isTaken = await this.#post({ content, ...start });
    await this.follow();
    return isTaken;
  }

  /** Gives the result of a call whose tool has no `run`, and follows the run. */
  async resolve(callId: string, output: object): Promise<void> {
    this.#outputs.set(callId, output);
    await this.follow();
  }

  /** Runs tools and polls until the run has ended, or needs {@link resolve}. */
  async follow(): Promise<void> {
    for (;;) {
      await this.#read();
      if (this.conversationStatus === 'completed') return;
      if (this.pending.length > 0) {
        if (!(await this.#runTools())) return;
        // A 409: the run was resumed by another client, or has expired. The history says which.
        if (!(await this.#post({ tool_results: this.#results() }))) await this.#pause();
      } else if (this.runStatus === 'running') {
        await this.#pause();
      } else return;
    }
  }

  /** Reads pages, the newest first, back to one that was read before. */
  async #read(): Promise<void> {
    // Only the newest items are pending, so those before one that is not pending do not change.
    const isSettled = ({ id }: Item) => this.#items.has(id) && this.#items.get(id)?.status !== 'pending';
    const newest = await this.#page({});
    const items = [...newest.items];
    for (let page = newest; page.next_cursor && !page.items.some(isSettled); ) {
      page = await this.#page({ cursor: page.next_cursor });
      items.push(...page.items);
    }
    for (const item of items) this.#items.set(item.id, item);
    this.conversationStatus = newest.conversation_status;
    this.runStatus = newest.run_status ?? undefined;
    this.pending = newest.pending_client_actions ?? [];
  }

  async #page(cursor: { cursor?: string }): Promise<HistoryPage> {
    const query = new URLSearchParams({ limit: `${this.options.pageSize ?? 100}`, ...cursor });
    const response = await this.#fetch(`/${this.conversationId}/history?${query}`);
    return (await response.json()) as HistoryPage;
  }

  /** Runs the tools of the pending calls; `false` if one of them has neither a tool nor a result. */
  async #runTools(): Promise<boolean> {
    const { tools } = this.options;
    for (const { call_id, name, arguments: args } of this.pending) {
      const run = Object.hasOwn(tools, name) ? tools[name]?.run : undefined;
      if (!run || this.#outputs.has(call_id)) continue;
      const failed = (error: unknown) => ({ error: error instanceof Error ? error.message : `${error}` });
      this.#outputs.set(call_id, await (async () => run(args))().catch(failed));
    }
    return this.pending.every(({ call_id }) => this.#outputs.has(call_id));
  }

  #results(): object[] {
    return this.pending.map(({ call_id }) => ({ call_id, output: this.#outputs.get(call_id) }));
  }

  /** Starts, continues or resumes; `false` for a 409 in a conversation that exists. */
  async #post(body: object): Promise<boolean> {
    const capabilities = Object.entries(this.options.tools).map(([name, { inputSchema }]) =>
      inputSchema ? { name, input_schema: inputSchema } : name,
    );
    const full = { ...body, conversation_id: this.conversationId, client_capabilities: capabilities };
    const conflict = this.conversationId === undefined ? [] : [409];
    const response = await this.#fetch('', { method: 'POST', body: JSON.stringify(full) }, conflict);
    const answer = (await response.json()) as { conversation_id: string };
    if (response.ok) this.conversationId = answer.conversation_id;
    return response.ok;
  }

  async #fetch(path: string, init: RequestInit = {}, accepted: number[] = []): Promise<Response> {
    const headers = { 'content-type': 'application/json', 'x-api-key': this.options.key };
    const response = await fetch(`${this.options.url}/conversation${path}`, { ...init, headers });
    if (response.ok || accepted.includes(response.status)) return response;
    throw new StatusError(response.status, await response.text());
  }

  async #pause(): Promise<void> {
    await (this.options.pause ?? (() => new Promise((done) => setTimeout(done, 2000))))();
  }
}
