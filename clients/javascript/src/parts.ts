import { query, type AskOfAccount } from './control.js';
import type {
  AgentRun,
  Api,
  ClockState,
  Fault,
  RepliesState,
  Reply,
  Rule,
  StandingFault,
  StandingRule,
  ToolResult,
  Trigger,
} from './types.js';

/** A time in the format of the control plane. */
export function time(at: string | Date): string {
  return typeof at === 'string' ? at : at.toISOString();
}

/** An account's clock; it drives times in answers, limits and streams. */
export class Clock {
  /** @internal */
  constructor(private readonly ask: AskOfAccount) {}

  /** Its state. */
  state(): Promise<ClockState> {
    return this.ask('GET', '/clock');
  }

  /** Its time. */
  async now(): Promise<Date> {
    return new Date((await this.state()).now);
  }

  /** Stops it, at `at` or now. */
  freeze(at?: string | Date): Promise<ClockState> {
    return this.#put(at === undefined ? { frozen: true } : { now: time(at), frozen: true });
  }

  /** Sets it; it stands or runs as before. Setting it back starts a new window of the limits. */
  set(now: string | Date): Promise<ClockState> {
    return this.#put({ now: time(now) });
  }

  /** Starts it from its current time. */
  run(): Promise<ClockState> {
    return this.#put({ frozen: false });
  }

  /** Advances it by seconds, to the millisecond; ends waits that it passes over. */
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
  constructor(private readonly ask: AskOfAccount) {}

  /** All faults, in the order in which they are considered. */
  list(): Promise<StandingFault[]> {
    return this.ask('GET', '/faults');
  }

  /** Adds a fault after the existing ones. */
  add(fault: Fault): Promise<StandingFault> {
    return this.ask('POST', '/faults', fault);
  }

  /** Removes one. */
  async remove(id: string): Promise<void> {
    await this.ask('DELETE', `/faults/${encodeURIComponent(id)}`);
  }

  /** Removes all. */
  async clear(): Promise<void> {
    await this.ask('DELETE', '/faults');
  }
}

/** The replies of an account: the queue and the rules. */
export class Replies {
  /** @internal */
  constructor(private readonly ask: AskOfAccount) {}

  /** Rules and queue, with how often each rule has answered. */
  list(): Promise<RepliesState> {
    return this.ask('GET', '/replies');
  }

  /** Queues replies for the next requests, one each; a string is a reply with that text. */
  queue(...replies: (Reply | string)[]): Promise<RepliesState> {
    return this.#enqueue('', replies);
  }

  /** Queues replies for the next requests of one API. */
  queueFor(api: Api, ...replies: (Reply | string)[]): Promise<RepliesState> {
    return this.#enqueue(`?api=${api}`, replies);
  }

  /** Adds a rule at the end or at `place`. */
  rule(rule: Rule, place: { at?: number; before?: string } = {}): Promise<StandingRule> {
    return this.ask('POST', `/replies${query(place)}`, rule);
  }

  /** Replaces the list of rules; rules named by their id stay unchanged. */
  replaceRules(list: (Rule | string)[]): Promise<RepliesState> {
    return this.ask('PUT', '/replies', list);
  }

  /** Removes a rule. */
  async removeRule(id: string): Promise<void> {
    await this.ask('DELETE', `/replies/${encodeURIComponent(id)}`);
  }

  /** Clears the queue. */
  async clearQueue(): Promise<void> {
    await this.ask('DELETE', '/replies/queue');
  }

  /** Removes all rules and clears the queue. */
  async clear(): Promise<void> {
    await this.ask('DELETE', '/replies');
  }

  #enqueue(query: string, replies: (Reply | string)[]): Promise<RepliesState> {
    const body = replies.map((reply) => (typeof reply === 'string' ? { text: reply } : reply));
    return this.ask('POST', `/replies/queue${query}`, body);
  }
}

/** An account's triggers of the Runner API. */
export class Triggers {
  /** @internal */
  constructor(private readonly ask: AskOfAccount) {}

  /** All triggers, in the order of their creation. */
  list(): Promise<Trigger[]> {
    return this.ask('GET', '/triggers');
  }

  /** Has one expire now. */
  expire(id: string): Promise<Trigger> {
    return this.ask('POST', `/triggers/${encodeURIComponent(id)}/expire`);
  }
}

/** An account's agent runs of the Runner API. */
export class Runs {
  /** @internal */
  constructor(private readonly ask: AskOfAccount) {}

  /** The latest 100 runs, those of the latest activity first. */
  list(): Promise<AgentRun[]> {
    return this.ask('GET', '/runs');
  }

  /** Resumes one in the client's place, with a result for each of its pending calls. */
  resume(id: string, results: ToolResult[]): Promise<AgentRun> {
    return this.ask('POST', `/runs/${encodeURIComponent(id)}/resume`, { tool_results: results });
  }
}
