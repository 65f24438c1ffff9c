import type { AskOfAccount, Control } from './control.js';
import type {
  AccountChanges,
  AccountOptions,
  AccountState,
  Entry,
  JournalFilter,
  Snapshot,
} from './types.js';
import { Journal, type Patience } from './journal.js';
import { Clock, Faults, Replies, Runs, Triggers, time } from './parts.js';
import type { RequestPattern } from './pattern.js';

/** Default timeout of {@link Account.waitFor} in milliseconds. */
const WAIT_TIMEOUT = 5000;

/** An account of a server, selected by its key. */
export class Account {
  /** The base URL of the Runner API: `http://…/v1/runner`. */
  readonly runnerUrl: string;
  /** The base URL of the Characters API: `http://…/api/v1`. */
  readonly charactersUrl: string;
  /** The headers that a request to the Runner API needs. */
  readonly runnerHeaders: { 'content-type': string; 'x-api-key': string };
  /** The headers that a request to the Characters API needs. */
  readonly charactersHeaders: { 'content-type': string; authorization: string };
  readonly clock: Clock;
  readonly faults: Faults;
  readonly replies: Replies;
  readonly triggers: Triggers;
  readonly runs: Runs;
  readonly journal: Journal;
  readonly #control: Control;
  readonly #path: string;
  readonly #forked: (id: string, key: string) => Account;
  readonly #removed: (id: string) => void;

  /** @internal */
  constructor(
    control: Control,
    readonly id: string,
    /** The key for both APIs. */
    readonly key: string,
    /** Called with each fork of this account, and when it is removed. */
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
    const ask: AskOfAccount = (method, path, body) => control.ask(method, `${this.#path}${path}`, body);
    this.clock = new Clock(ask);
    this.faults = new Faults(ask);
    this.replies = new Replies(ask);
    this.triggers = new Triggers(ask);
    this.runs = new Runs(ask);
    const hint = `Does the client speak to ${control.url}, and with this account's key?`;
    this.journal = new Journal(control, id, hint);
  }

  /** Plan, balance, limits and clock. */
  state(): Promise<AccountState> {
    return this.#control.ask('GET', this.#path);
  }

  /** Changes plan, balance or limits. */
  change(changes: AccountChanges): Promise<AccountState> {
    const { balance, ...rest } = changes;
    const body = balance === undefined ? rest : { ...rest, balance: String(balance) };
    return this.#control.ask('PATCH', this.#path, body);
  }

  /** Restores data, balance, ids, limits and clock to their values at creation; clears rules, faults and request log. */
  reset(): Promise<AccountState> {
    return this.#control.ask('POST', `${this.#path}/reset`);
  }

  /** Removes the account and all its data. Does nothing if it is already gone. */
  async remove(): Promise<void> {
    await this.#control.ask('DELETE', this.#path, undefined, [404]);
    this.#removed(this.id);
  }

  /** `await using account = await mynah.account()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** All state as one document. */
  snapshot(): Promise<Snapshot> {
    return this.#control.ask('GET', `${this.#path}/snapshot`);
  }

  /** Replaces all data by a snapshot. */
  restore(snapshot: Snapshot): Promise<AccountState> {
    return this.#control.ask('PUT', `${this.#path}/snapshot`, snapshot);
  }

  /** Creates an account from a copy of this one, which must be removed, too. */
  async fork(options: AccountOptions = {}): Promise<Account> {
    const body = newAccount(options);
    const created = await this.#control.ask<CreatedAccount>('POST', `${this.#path}/fork`, body);
    return this.#forked(created.id, created.key);
  }

  /** The requests that match `filter` (on the server), oldest first. */
  async requests(filter: JournalFilter = {}): Promise<Entry[]> {
    return (await this.journal.listing(filter)).requests;
  }

  /** All requests as text, for tests that failed otherwise. */
  report(): Promise<string> {
    return this.journal.report();
  }

  /** Waits for a request that matches `pattern` and returns the first; fails after `timeoutMs` (5000). */
  waitFor(pattern: RequestPattern, patience: Patience = {}): Promise<Entry> {
    return this.journal.expectRequest(pattern, { timeoutMs: WAIT_TIMEOUT, ...patience });
  }

  /** Fails unless a request matches `pattern`; returns the first. */
  expectRequest(pattern: RequestPattern, patience: Patience = {}): Promise<Entry> {
    return this.journal.expectRequest(pattern, patience);
  }

  /** Fails if a request matches `pattern`; without a pattern, if there is any request. */
  async expectNoRequest(pattern: RequestPattern = {}): Promise<void> {
    await this.journal.expectCount(0, pattern, {});
  }

  /** Fails unless exactly `count` requests match `pattern`; returns them. */
  expectRequestCount(
    count: number,
    pattern: RequestPattern = {},
    patience: Patience = {},
  ): Promise<Entry[]> {
    return this.journal.expectCount(count, pattern, patience);
  }
}

/** @internal The server's answer to the creation of an account. */
export interface CreatedAccount extends AccountState {
  key: string;
}

/** @internal The body that creates an account with `options`. */
export function newAccount(options: AccountOptions): Record<string, unknown> {
  const { balance, clock, ...rest } = options;
  return {
    ...rest,
    ...(balance === undefined ? {} : { balance: String(balance) }),
    ...(clock === undefined ? {} : { clock: time(clock) }),
  };
}
