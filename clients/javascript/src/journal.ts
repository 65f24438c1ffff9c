import { query, type Control } from './control.js';
import { split, type RequestPattern, type SplitPattern } from './pattern.js';
import type { Entry, JournalFilter, Listing } from './types.js';

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

/** A failed assertion about requests. Its message lists the requests received. */
export class RequestAssertionError extends Error {
  // Not `AssertionError`: jest treats that as Node's and adds two values to it.
  override readonly name = 'RequestAssertionError';
}

/** The request log of an account. */
export class Journal {
  readonly #control: Control;
  readonly #path: string;
  readonly #hint: string;

  /** @internal `hint` is shown in failures if the log is empty. */
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

  /** All requests as text. */
  async report(): Promise<string> {
    const { report } = await this.#reported({ limit: 0 });
    // Without the conditions, of which there are none.
    return report.slice(report.indexOf('received '));
  }

  /** Expects at least one request that matches `pattern`; returns the first. */
  async expectRequest(pattern: RequestPattern, patience: Patience): Promise<Entry> {
    const fail = failing(this.expectRequest);
    const wanted = split(pattern);
    const { matched } = await this.#matching(wanted, 1, patience);
    const [first] = matched;
    if (first !== undefined) return first;
    throw fail(await this.#failure(`expected a request, but none matched${within(patience)}`, wanted));
  }

  /** Expects exactly `count` requests that match `pattern`; returns them. */
  async expectCount(count: number, pattern: RequestPattern, patience: Patience): Promise<Entry[]> {
    const fail = failing(this.expectCount);
    const wanted = split(pattern);
    const { matched, dropped } = await this.#matching(wanted, count, patience);
    if (matched.length === count && dropped === 0) return matched;
    const expected = `${count === 0 ? 'no' : `exactly ${count}`} request${count > 1 ? 's' : ''}`;
    const numbers = matched.map(({ number }) => number).join(', ');
    const which = numbers === '' ? '' : ` (${numbers})`;
    const lost = dropped > 0 ? `, and the request log has lost ${dropped} (--journal-max)` : '';
    const head = `expected ${expected}, but ${matched.length} matched${within(patience)}${which}${lost}`;
    throw fail(await this.#failure(head, wanted));
  }

  /**
   * The entries that match, as soon as there are `count` or the timeout is over, and how many entries
   * had been evicted at the start.
   */
  async #matching(
    { match, differences }: SplitPattern,
    count: number,
    { timeoutMs = 0 }: Patience,
  ): Promise<{ matched: Entry[]; dropped: number }> {
    const deadline = milliseconds() + timeoutMs;
    const listed = await this.#control.ask<Listing>('GET', `${this.#path}${query({ match })}`);
    const matched: Entry[] = [];
    let { requests, last } = listed;
    for (;;) {
      matched.push(...requests.filter((entry) => differences(entry).length === 0));
      const left = Math.min(deadline - milliseconds(), LONGEST_WAIT);
      if (matched.length >= count || left <= 0) return { matched, dropped: listed.dropped };
      const next = query({ match, since: last, timeout: `${Math.ceil(left)}ms` });
      const path = `${this.#path}/wait${next}`;
      ({ requests } = await this.#control.ask<Listing>('GET', path, undefined, [408]));
      last = requests.at(-1)?.number ?? last;
    }
  }

  /** `head`, the server's report, and where the nearest request that it selected differs. */
  async #failure(head: string, { match, differences }: SplitPattern): Promise<string> {
    const { requests, kept, report } = await this.#reported({ match });
    const lines = [head, report];
    const others = requests.map((entry) => ({ number: entry.number, places: differences(entry) }));
    const [nearest] = others
      .filter(({ places }) => places.length > 0)
      .sort((one, other) => one.places.length - other.places.length);
    if (nearest !== undefined) {
      lines.push(`request ${nearest.number} differs only in what the test compares:`);
      lines.push(...nearest.places.map((place) => `    ${place}`));
    }
    if (kept === 0) lines.push(this.#hint);
    return lines.join('\n');
  }

  #reported(parameters: { match?: string; limit?: number }): Promise<Listing & { report: string }> {
    return this.#control.ask('GET', `${this.#path}${query({ ...parameters, report: true })}`);
  }
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
