import type { Ask, Control } from './control.js';
import type {
  AccountChanges,
  AccountOptions,
  AccountState,
  Entry,
  JournalFilter,
  Snapshot,
} from './forms.js';
import { Journal, type Patience } from './journal.js';
import { Clock, Faults, Replies, time } from './parts.js';
import type { RequestPattern } from './pattern.js';

/** How long {@link Account.waitFor} waits unless told otherwise, in milliseconds. */
const PATIENCE = 5000;

/** An account: a world of its own, chosen by nothing but its key. */
export class Account {
  /** The base of the Runner API: `http://…/v1/runner`. */
  readonly runnerUrl: string;
  /** The base of the Characters API: `http://…/api/v1`. */
  readonly charactersUrl: string;
  /** The headers that a request to the Runner API needs. */
  readonly runnerHeaders: { 'content-type': string; 'x-api-key': string };
  /** The headers that a request to the Characters API needs. */
  readonly charactersHeaders: { 'content-type': string; authorization: string };
  readonly clock: Clock;
  readonly faults: Faults;
  readonly replies: Replies;
  readonly journal: Journal;
  readonly #control: Control;
  readonly #path: string;
  readonly #forked: (id: string, key: string) => Account;
  readonly #removed: (id: string) => void;

  /** @internal */
  constructor(
    control: Control,
    readonly id: string,
    /** The key, for either API. */
    readonly key: string,
    /** Called with what is forked from this account, and when it is removed. */
    on: { forked: (id: string, key: string) => Account; removed: (id: string) => void },
  ) {
    this.#control = control;
    this.#path = `/accounts/${encodeURIComponent(id)}`;
    this.#forked = on.forked;
    this.#removed = on.removed;
    this.runnerUrl = `${control.url}/v1/runner`;
    this.charactersUrl = `${control.url}/api/v1`;
    const json = 'application/json';
    this.runnerHeaders = { 'content-type': json, 'x-api-key': key };
    this.charactersHeaders = { 'content-type': json, authorization: `Bearer ${key}` };
    const ask: Ask = (method, path, body) => control.ask(method, `${this.#path}${path}`, body);
    this.clock = new Clock(ask);
    this.faults = new Faults(ask);
    this.replies = new Replies(ask);
    const hint = `Does the client speak to ${control.url}, and with this account's key?`;
    this.journal = new Journal(control, id, hint);
  }

  /** Plan, balance, limits, clock as they are. */
  state(): Promise<AccountState> {
    return this.#control.ask('GET', this.#path);
  }

  /** Changes plan, balance or limits. */
  change(changes: AccountChanges): Promise<AccountState> {
    const { balance, ...rest } = changes;
    const body = balance === undefined ? rest : { ...rest, balance: String(balance) };
    return this.#control.ask('PATCH', this.#path, body);
  }

  /** Back to how it was made: data, balance, ids, limits, clock; no rules, faults or journal. */
  reset(): Promise<AccountState> {
    return this.#control.ask('POST', `${this.#path}/reset`);
  }

  /** Removes it with all it holds. Nothing happens if it is gone already. */
  async remove(): Promise<void> {
    const answer = await this.#control.send('DELETE', this.#path);
    if (answer.status >= 400 && answer.status !== 404) {
      await this.#control.ask('DELETE', this.#path);
    }
    this.#removed(this.id);
  }

  /** `await using account = await mynah.account()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** All its state as one document. */
  snapshot(): Promise<Snapshot> {
    return this.#control.ask('GET', `${this.#path}/snapshot`);
  }

  /** Puts a snapshot in the place of all that it holds. */
  restore(snapshot: Snapshot): Promise<AccountState> {
    return this.#control.ask('PUT', `${this.#path}/snapshot`, snapshot);
  }

  /** A new account from a copy of this one. Remove it as you do this one. */
  async fork(options: AccountOptions = {}): Promise<Account> {
    const body = newAccount(options);
    const made = await this.#control.ask<Made>('POST', `${this.#path}/fork`, body);
    return this.#forked(made.id, made.key);
  }

  /** The requests that came, oldest first; the server picks those that `filter` takes. */
  async requests(filter: JournalFilter = {}): Promise<Entry[]> {
    return (await this.journal.listing(filter)).requests;
  }

  /** All requests that came, in words: for a test that failed otherwise. */
  report(): Promise<string> {
    return this.journal.report();
  }

  /** The first request like `pattern`, as soon as it came; fails after `timeoutMs` (5000). */
  waitFor(pattern: RequestPattern, patience: Patience = {}): Promise<Entry> {
    return this.journal.expectRequest(pattern, { timeoutMs: PATIENCE, ...patience });
  }

  /** Fails unless a request like `pattern` came; gives the first. */
  expectRequest(pattern: RequestPattern, patience: Patience = {}): Promise<Entry> {
    return this.journal.expectRequest(pattern, patience);
  }

  /** Fails if a request like `pattern` came; without a pattern, if any did. */
  async expectNoRequest(pattern: RequestPattern = {}): Promise<void> {
    await this.journal.expectCount(0, pattern, {});
  }

  /** Fails unless exactly so many requests like `pattern` came; gives them. */
  expectRequestCount(
    count: number,
    pattern: RequestPattern = {},
    patience: Patience = {},
  ): Promise<Entry[]> {
    return this.journal.expectCount(count, pattern, patience);
  }
}

/** @internal What the server answers where an account was made. */
export interface Made extends AccountState {
  key: string;
}

/** @internal The body that makes an account of `options`. */
export function newAccount(options: AccountOptions): Record<string, unknown> {
  const { balance, clock, ...rest } = options;
  return {
    ...rest,
    ...(balance === undefined ? {} : { balance: String(balance) }),
    ...(clock === undefined ? {} : { clock: time(clock) }),
  };
}
