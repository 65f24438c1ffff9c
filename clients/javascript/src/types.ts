/** The types of the control plane (`docs/control.md`), with their names on the wire. */

/** One of the two APIs. */
export type Api = 'runner' | 'characters';

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Options of a new account. */
export interface AccountOptions {
  /** The fixture account to copy; default: the first. */
  from?: string;
  /** A plan: `free`, `pro`. */
  plan?: string;
  /** Credits as decimal text with at most six places: `"12.5"`. Numbers are converted. */
  balance?: string | number;
  /** Accounts copied from the same one with the same seed draw the same ids. Default: 1. */
  seed?: number;
  /** The time at which its clock stands still: `2026-01-01T00:00:00Z`. */
  clock?: string | Date;
  /** Seconds without a request after which the server removes it. Default: an hour. */
  ttl?: number;
  /** How the Runner API answers it; default: as the server's options say. */
  profile?: 'documents' | 'current';
  /** Sections that a fork copies besides data: `rules`, `queue` …; default: all. */
  with?: string[];
}

/** Changes of an account. `null` resets a limit to the plan's. */
export interface AccountChanges {
  plan?: string;
  balance?: string | number;
  requests_per_minute?: number | null;
  runner_requests_per_minute?: number | null;
}

/** The state of an account. */
export interface AccountState {
  id: string;
  project: string;
  from?: string;
  /** Its own profile. */
  profile?: 'documents' | 'current';
  plan: string;
  requests_per_minute: number;
  runner_requests_per_minute: number | null;
  balance: string;
  clock: ClockState;
}

/** The state of a clock. */
export interface ClockState {
  now: string;
  frozen: boolean;
}

/** A call of a client's tool. Every string in `arguments` is a template. */
export interface ReplyToolCall {
  name: string;
  arguments?: Record<string, Json>;
}

/** A reply: `text`, `json` or `tool_calls`. Texts are templates. */
export interface Reply {
  text?: string;
  json?: Json;
  /** Calls of the client's tools in an agent run. */
  tool_calls?: ReplyToolCall[];
  /** Whether the reply completes the conversation of an agent run. */
  complete?: boolean;
  /** How the reply ends an agent run; default: `completed`. */
  run?: 'completed' | 'background' | 'failed' | 'interrupted';
  /** How long a run in the background continues, in milliseconds. */
  after_ms?: number;
  /** The name of a conversation that starts with this reply. */
  name?: string;
  thoughts?: string;
  input_tokens?: number;
  output_tokens?: number;
  /** The pace of its stream in milliseconds. */
  pace?: { first_ms?: number; word_ms?: number; jitter_ms?: number };
}

/** Conditions of a rule; all given ones must hold. */
export interface RuleConditions {
  api?: Api;
  deployment?: string;
  model?: string;
  equals?: string;
  contains?: string;
  regex?: string;
  turn?: number;
  /** Whether the request starts from a trigger. */
  trigger?: boolean;
  variables?: Record<string, Json>;
  meta?: Record<string, Json>;
  parts?: ('text' | 'image' | 'video' | 'audio' | 'url')[];
  /** A tool that the client of an agent run offers. */
  capability?: string;
  /** A result with which an agent run is resumed. */
  tool_result?: { name?: string; contains?: string };
}

/** A rule: its replies are used one after the other, the last one repeatedly. */
export interface Rule {
  id?: string;
  when?: RuleConditions;
  reply: Reply[];
  /** Number of answers after which it is skipped; default: no limit. */
  times?: number;
}

/** An existing rule, and the number of requests that it has answered. */
export interface StandingRule {
  id: string;
  answered: number;
  rule: Rule;
}

/** The rules and the queue of an account. */
export interface RepliesState {
  rules: StandingRule[];
  queue: { api: Api | null; reply: Reply }[];
}

/** Conditions of a fault; all given ones must hold. */
export interface FaultConditions {
  api?: Api;
  /** As in the documents, `/v1/runner/{deployment_id}`; a parameter may be filled. */
  route?: string;
  method?: 'GET' | 'POST';
  nth?: number;
  every?: number;
  probability?: number;
  /** Seconds on the account's clock. */
  burst?: { every: number; for: number };
}

/** The effect of a fault: `delay_ms`, or one of the others, or both. */
export interface FaultEffect {
  delay_ms?: number;
  status?: number;
  retry_after?: number;
  /** The envelope of an error of the Runner API. */
  envelope?: 'openai' | 'fastapi' | 'detail_object';
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
  /** Maximum number of times; then requests succeed again. */
  times?: number;
  effect: FaultEffect;
}

/** An existing fault, with the number of requests it applied to and of those that got its effect. */
export interface StandingFault extends Fault {
  id: string;
  matched: number;
  fired: number;
}

/** A trigger of the Runner API. */
export interface Trigger {
  id: string;
  deployment_id: string;
  ui_surface: string | null;
  content: any[];
  variables: Record<string, any> | null;
  conversation_id: string | null;
  workflow_log_id: number | null;
  created_at: string;
  expires_at: string | null;
  expired: boolean;
}

/** A call of a client's tool. */
export interface ToolCall {
  call_id: string;
  name: string;
  arguments: Record<string, any>;
}

/** The result of a client's tool. */
export interface ToolResult {
  call_id: string;
  output: Record<string, Json>;
}

/** An agent run of the Runner API. */
export interface AgentRun {
  run_id: string;
  run_status: 'running' | 'waiting_for_client_action' | 'completed' | 'interrupted' | 'failed' | 'expired';
  conversation_id: string;
  deployment_id: string;
  /** The names of the client's tools. */
  capabilities: string[];
  /** The calls that are pending. */
  client_tool_calls: ToolCall[];
  progress: { type: string; call_id?: string; name?: string; summary: string }[];
  content: string | null;
  updated_at: string;
  /** When it expires, or ends in the background. */
  due_at: string | null;
}

/** A body: an object if it is a JSON object, else its text; `null` if it was not read. */
interface LoggedBody {
  body: any;
  body_bytes: number;
  /** Only the beginning of a body of more than 64 KiB is kept, as text. */
  body_cut?: boolean;
}

/** An entry of the request log: a request, its answer, and how it was generated. */
export interface Entry extends LoggedBody {
  number: number;
  /** Time of arrival on the account's clock. */
  time: string;
  request_id: string;
  method: string;
  path: string;
  query: string | null;
  route: string | null;
  headers: Record<string, string>;
  /** `null` if the client disconnected before it. */
  answer: (LoggedBody & {
    status: number;
    headers: Record<string, string>;
    /** The words of a stream. */
    words?: { text: string; at_us: number }[];
  }) | null;
  end: 'complete' | 'broken' | 'hung_up';
  /** What the model was shown; `null` if no model was used. */
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

/** What the model was shown and what answered. */
export interface ShownToModel {
  backend: string;
  /** A rule, `queue`, or `null` for the backend itself. */
  rule: string | null;
  near_misses: { rule: string; condition: string; wanted: Json; found?: Json }[];
  /** What was shown is larger than 1 MiB; the other fields are absent. */
  too_large?: true;
  name?: string;
  deployment?: string | null;
  agent?: string | null;
  output?: string;
  turn?: number;
  /** The trigger that the request starts from. */
  trigger?: { id: string; ui_surface: string | null };
  variables?: Record<string, any>;
  meta?: Record<string, any>;
  instructions?: string;
  history?: { role: string; content: any[] }[];
  message?: any[];
}

/** Entries of a request log, oldest first. */
export interface Listing {
  count: number;
  kept: number;
  bytes: number;
  /** Number of evicted entries. */
  dropped: number;
  /** The number of the latest entry. */
  last: number;
  requests: Entry[];
}

/** Filters for a request log; all given ones must match. */
export interface JournalFilter {
  method?: string;
  route?: string;
  /** Exact, or a prefix with `*` at its end. */
  path?: string;
  /** A status, or `2xx`, `4xx` and so on. */
  status?: number | string;
  /** A text that the body contains exactly. */
  body?: string;
  /** Entries after this number, or from this time on. */
  since?: number | string;
  /** The latest entries, at most this many. */
  limit?: number;
}

/** All state of an account as one document, for restoring it. */
export interface Snapshot {
  version: number;
  [part: string]: unknown;
}
