/**
 * The forms of the control plane, as `docs/control.md` has them: what is sent and what comes keeps
 * its names on the wire.
 */

/** One of the two APIs. */
export type Api = 'runner' | 'characters';

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** An account to make. */
export interface AccountOptions {
  /** The fixture account to copy; the first one unless given. */
  from?: string;
  /** A plan: `free`, `pro`. */
  plan?: string;
  /** Credits as decimal text, at most six places: `"12.5"`. A number is written so. */
  balance?: string | number;
  /** Accounts copied from one, with one seed, draw the same ids. 1 unless given. */
  seed?: number;
  /** Where its clock stands still: `2026-01-01T00:00:00Z`. */
  clock?: string | Date;
  /** Seconds without a request after which the server removes it. An hour unless given. */
  ttl?: number;
  /** What a fork takes along besides data: `rules`, `queue` …; everything unless given. */
  with?: string[];
}

/** What can be changed of an account. `null` for a limit is the plan's own again. */
export interface AccountChanges {
  plan?: string;
  balance?: string | number;
  requests_per_minute?: number | null;
  runner_requests_per_minute?: number | null;
}

/** An account as it is. */
export interface AccountState {
  id: string;
  project: string;
  from?: string;
  plan: string;
  requests_per_minute: number;
  runner_requests_per_minute: number | null;
  balance: string;
  clock: ClockState;
}

/** A clock as it is. */
export interface ClockState {
  now: string;
  frozen: boolean;
}

/** What the model answers: `text` or `json`. Texts are templates. */
export interface Reply {
  text?: string;
  json?: Json;
  /** The name that a conversation started with this answer gets. */
  name?: string;
  thoughts?: string;
  input_tokens?: number;
  output_tokens?: number;
  /** How fast it is streamed, in milliseconds. */
  pace?: { first_ms?: number; word_ms?: number; jitter_ms?: number };
}

/** When a rule answers: all that is given must hold. */
export interface RuleConditions {
  api?: Api;
  deployment?: string;
  model?: string;
  equals?: string;
  contains?: string;
  regex?: string;
  turn?: number;
  variables?: Record<string, Json>;
  meta?: Record<string, Json>;
  parts?: ('text' | 'image' | 'video' | 'audio' | 'url')[];
}

/** A rule: where its conditions hold, one of its replies is given, in turn, the last one staying. */
export interface Rule {
  id?: string;
  when?: RuleConditions;
  reply: Reply[];
  /** How often it answers before it is passed over; without, always. */
  times?: number;
}

/** A rule that is there, and how many requests it has answered. */
export interface StandingRule {
  id: string;
  answered: number;
  rule: Rule;
}

/** All replies that were prepared. */
export interface RepliesState {
  rules: StandingRule[];
  queue: { api: Api | null; reply: Reply }[];
}

/** Which requests meet a fault: all that is given must hold. */
export interface FaultConditions {
  api?: Api;
  /** As the documents write it, `/v1/runner/{deployment_id}`; an open part may be filled. */
  route?: string;
  method?: 'GET' | 'POST';
  nth?: number;
  every?: number;
  probability?: number;
  /** Seconds on the account's clock. */
  burst?: { every: number; for: number };
}

/** What becomes of a request: `delay_ms`, or one of the others, or both. */
export interface FaultEffect {
  delay_ms?: number;
  status?: number;
  retry_after?: number;
  drop?: 'before_answer' | 'after_commit';
  body?: 'empty' | 'truncated' | 'malformed';
  content_type?: string;
  break_after?: number;
  end_after?: number;
  stall_after?: number;
  pace_ms?: number;
  repeat_chunk?: number;
  split_character?: boolean;
}

/** A fault of one account. */
export interface Fault {
  when?: FaultConditions;
  /** How often at most; then requests succeed again. */
  times?: number;
  effect: FaultEffect;
}

/** A fault that is there: how many requests it was for, and how many met its effect. */
export interface StandingFault extends Fault {
  id: string;
  matched: number;
  fired: number;
}

/** A body: parsed where it is JSON, else its text; `null` where it was not read. */
interface JournalBody {
  body: any;
  body_bytes: number;
  /** Of a body of more than 64 KiB the beginning is kept, as text. */
  body_cut?: boolean;
}

/** An entry of the journal: a request, what became of it, and why. */
export interface Entry extends JournalBody {
  number: number;
  /** When it came, on the account's clock. */
  time: string;
  request_id: string;
  method: string;
  path: string;
  query: string | null;
  route: string | null;
  headers: Record<string, string>;
  /** `null` where the client went away before it. */
  answer: (JournalBody & {
    status: number;
    headers: Record<string, string>;
    /** The words of a stream. */
    words?: { text: string; at_us: number }[];
  }) | null;
  end: 'complete' | 'broken' | 'hung_up';
  /** What the model was shown; `null` where none was asked. */
  model: ShownToModel | null;
  limit: { admitted: boolean; limit: number; remaining: number; window_ends: number } | null;
  charge: string | null;
  fault: { effect: string; delay_ms: number } | null;
  timing: {
    total_us: number;
    head_us: number | null;
    delay_us: number;
    client_us: number;
    own_us: number;
  };
}

/** What the model was shown and who answered. */
export interface ShownToModel {
  backend: string;
  /** A rule, `queue`, or `null` for the backend itself. */
  rule: string | null;
  near_misses: { rule: string; condition: string; wanted: Json; found?: Json }[];
  /** What was shown weighs more than a MiB; the rest is left out. */
  too_large?: true;
  name?: string;
  deployment?: string | null;
  agent?: string | null;
  output?: string;
  turn?: number;
  variables?: Record<string, any>;
  meta?: Record<string, any>;
  instructions?: string;
  history?: { role: string; content: any[] }[];
  message?: any[];
}

/** A journal, or what was picked from it, oldest first. */
export interface Listing {
  count: number;
  kept: number;
  bytes: number;
  /** How many entries made place for others. */
  dropped: number;
  /** The number of the latest. */
  last: number;
  requests: Entry[];
}

/** What the server picks from a journal; all that is given must hold. */
export interface JournalFilter {
  method?: string;
  route?: string;
  /** With `*` at its end every path that begins so. */
  path?: string;
  /** A status, or `2xx`, `4xx` and so on. */
  status?: number | string;
  /** A text in the body, to the letter. */
  body?: string;
  /** Entries after the one of this number, or from this time on. */
  since?: number | string;
  /** So many of the latest. */
  limit?: number;
}

/** All state of an account as one document, to be put back as it is. */
export interface Snapshot {
  version: number;
  [part: string]: unknown;
}
