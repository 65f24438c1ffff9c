import { query, type Control } from './control.js';
import type { Entry, JournalFilter, Listing } from './types.js';
import { checkPattern, differences, type RequestPattern } from './pattern.js';
import { described, nearMiss, received, RequestAssertionError } from './report.js';

/** How long an assertion waits. */
export interface Patience {
  /**
   * Milliseconds of real time. Without it an assertion checks the current entries: a request is
   * recorded before its client has the end of the answer.
   */
  timeoutMs?: number;
}

// Captured now, before a test installs fake timers.
const monotonic = process.hrtime.bigint.bind(process.hrtime);
const milliseconds = () => Number(monotonic() / 1_000_000n);

/** The longest single wait on the server in milliseconds. */
const LONGEST_WAIT = 10 * 60 * 1000;

/** The request log of an account. */
export class Journal {
  readonly #control: Control;
  readonly #path: string;
  readonly #hint: string;

  /** @internal `hint` is shown in reports without requests. */
  constructor(control: Control, account: string, hint: string) {
    this.#control = control;
    this.#path = `/accounts/${encodeURIComponent(account)}/requests`;
    this.#hint = hint;
  }

  /** The entries that match `filter`, with counts. */
  listing(filter: JournalFilter = {}): Promise<Listing> {
    return this.#control.ask('GET', `${this.#path}${query(filter)}`);
  }

  /** Clears the log. */
  async clear(): Promise<void> {
    await this.#control.ask('DELETE', this.#path);
  }

  /**
   * The entries that match `pattern`, as soon as there are `count` or the timeout is over, and how
   * many entries were evicted by then.
   */
  async #matching(
    pattern: RequestPattern,
    count: number,
    { timeoutMs = 0 }: Patience,
  ): Promise<{ matched: Entry[]; dropped: number }> {
    checkPattern(pattern);
    const deadline = milliseconds() + timeoutMs;
    const like = (entries: Entry[]) =>
      entries.filter((entry) => differences(pattern, entry).length === 0);
    const { last, dropped, requests } = await this.listing();
    let since = last;
    const matched = like(requests);
    for (;;) {
      const left = Math.min(deadline - milliseconds(), LONGEST_WAIT);
      if (matched.length >= count || left <= 0) return { matched, dropped };
      const news = await this.#next(since, left);
      since = news.at(-1)?.number ?? since;
      matched.push(...like(news));
    }
  }

  /** The entries after `since`, as soon as there are any; none if the time is over. */
  async #next(since: number, timeoutMs: number): Promise<Entry[]> {
    const path = `${this.#path}/wait?since=${since}&timeout=${Math.ceil(timeoutMs)}ms`;
    return (await this.#control.ask<Listing>('GET', path, undefined, [408])).requests;
  }

  /** All requests as text. */
  async report(): Promise<string> {
    return received(await this.listing(), this.#hint).trim();
  }

  /** The expectation, the nearest miss, and all requests. */
  async #failure(said: string, pattern: RequestPattern, near: boolean): Promise<string> {
    const listing = await this.listing();
    const miss = near ? nearMiss(pattern, listing.requests) : '';
    return `${said}${miss}${received(listing, this.#hint)}`;
  }

  /** Expects at least one request that matches `pattern`; returns the first. */
  async expectRequest(pattern: RequestPattern, patience: Patience): Promise<Entry> {
    const fail = failing(this.expectRequest);
    const { matched } = await this.#matching(pattern, 1, patience);
    const [first] = matched;
    if (first !== undefined) return first;
    const said = `expected a request${described(pattern)}\nbut none came${within(patience)}`;
    throw fail(await this.#failure(said, pattern, true));
  }

  /** Expects exactly `count` requests that match `pattern`; returns them. */
  async expectCount(count: number, pattern: RequestPattern, patience: Patience): Promise<Entry[]> {
    const fail = failing(this.expectCount);
    const { matched, dropped } = await this.#matching(pattern, count, patience);
    if (matched.length === count && dropped === 0) return matched;
    const wanted = `${count === 0 ? 'no' : `exactly ${count}`} request${count > 1 ? 's' : ''}`;
    const came = `it came ${times(matched.length)}${within(patience)}`;
    const which = matched.length === 0 ? '' : ` (${matched.map(({ number }) => number).join(', ')})`;
    const lost = dropped > 0 ? `, and the journal has lost ${dropped} (--journal-max)` : '';
    const said = `expected ${wanted}${described(pattern)}\nbut ${came}${which}${lost}`;
    throw fail(await this.#failure(said, pattern, matched.length < count));
  }
}

function times(count: number): string {
  return count === 0 ? 'never' : count === 1 ? 'once' : `${count} times`;
}

function within({ timeoutMs = 0 }: Patience): string {
  return timeoutMs > 0 ? ` within ${timeoutMs} ms` : '';
}

/**
 * Creates an error with the current stack: after the first `await`, the calling test is no longer
 * on it.
 */
function failing(caller: (...args: never[]) => unknown): (message: string) => RequestAssertionError {
  const here: { stack?: string } = {};
  Error.captureStackTrace(here, caller);
  const frames = here.stack?.split('\n').slice(1) ?? [];
  return (message) => {
    const error = new RequestAssertionError(message);
    // The frame of the account's method does not help the author of the test.
    error.stack = [`${error.name}: ${message}`, ...frames.slice(1)].join('\n');
    return error;
  };
}
