import { query, type Ask } from './control.js';
import type {
  Api,
  ClockState,
  Fault,
  RepliesState,
  Reply,
  Rule,
  StandingFault,
  StandingRule,
} from './forms.js';

/** A time as the control plane reads it. */
export function time(at: string | Date): string {
  return typeof at === 'string' ? at : at.toISOString();
}

/** An account's clock, which drives everything of it that has a time. */
export class Clock {
  /** @internal */
  constructor(private readonly ask: Ask) {}

  /** How it stands. */
  state(): Promise<ClockState> {
    return this.ask('GET', '/clock');
  }

  /** The time on it. */
  async now(): Promise<Date> {
    return new Date((await this.state()).now);
  }

  /** Lets it stand still, at `at` or where it is. */
  freeze(at?: string | Date): Promise<ClockState> {
    return this.#put(at === undefined ? { frozen: true } : { now: time(at), frozen: true });
  }

  /** Sets it; it stands still or runs on as before. Setting it back starts a fresh window. */
  set(now: string | Date): Promise<ClockState> {
    return this.#put({ now: time(now) });
  }

  /** Lets it run on from where it is. */
  run(): Promise<ClockState> {
    return this.#put({ frozen: false });
  }

  /** Advances it by seconds, to the millisecond, and so ends the waits that it passes over. */
  advance(seconds: number): Promise<ClockState> {
    return this.ask('POST', '/clock/advance', { seconds });
  }

  #put(body: { now?: string; frozen?: boolean }): Promise<ClockState> {
    return this.ask('PUT', '/clock', body);
  }
}

/** An account's faults. */
export class Faults {
  /** @internal */
  constructor(private readonly ask: Ask) {}

  /** All of them, in the order in which they are looked at. */
  list(): Promise<StandingFault[]> {
    return this.ask('GET', '/faults');
  }

  /** One more, behind those there are. */
  add(fault: Fault): Promise<StandingFault> {
    return this.ask('POST', '/faults', fault);
  }

  /** Takes one away. */
  async remove(id: string): Promise<void> {
    await this.ask('DELETE', `/faults/${encodeURIComponent(id)}`);
  }

  /** Takes all away. */
  async clear(): Promise<void> {
    await this.ask('DELETE', '/faults');
  }
}

/** What an account's models answer: the queue, and rules. */
export class Replies {
  /** @internal */
  constructor(private readonly ask: Ask) {}

  /** What there is, and how often each rule has answered. */
  list(): Promise<RepliesState> {
    return this.ask('GET', '/replies');
  }

  /** The replies to the next requests, one each; a text is a reply of that text. */
  queue(...replies: (Reply | string)[]): Promise<RepliesState> {
    return this.#enqueue('', replies);
  }

  /** The same, for the next requests of one API. */
  queueFor(api: Api, ...replies: (Reply | string)[]): Promise<RepliesState> {
    return this.#enqueue(`?api=${api}`, replies);
  }

  /** A rule, behind the others or where `place` says. */
  rule(rule: Rule, place: { at?: number; before?: string } = {}): Promise<StandingRule> {
    return this.ask('POST', `/replies${query(place)}`, rule);
  }

  /** The whole list of rules; what is named by its id stays as it is. */
  replaceRules(list: (Rule | string)[]): Promise<RepliesState> {
    return this.ask('PUT', '/replies', list);
  }

  /** Takes one rule away. */
  async removeRule(id: string): Promise<void> {
    await this.ask('DELETE', `/replies/${encodeURIComponent(id)}`);
  }

  /** Takes the queue away. */
  async clearQueue(): Promise<void> {
    await this.ask('DELETE', '/replies/queue');
  }

  /** Takes rules and queue away. */
  async clear(): Promise<void> {
    await this.ask('DELETE', '/replies');
  }

  #enqueue(query: string, replies: (Reply | string)[]): Promise<RepliesState> {
    const body = replies.map((reply) => (typeof reply === 'string' ? { text: reply } : reply));
    return this.ask('POST', `/replies/queue${query}`, body);
  }
}
