import type { Entry, Listing } from './types.js';
import { differences, distance, type Difference, type RequestPattern } from './pattern.js';

/** Maximum number of requests in a report. */
const MOST_ENTRIES = 20;
/** Maximum number of lines of a body. */
const MOST_LINES = 8;
/** Maximum number of differences. */
const MOST_DIFFERENCES = 12;
/** Maximum length of a line in characters. */
const WIDTH = 140;

/** A failed assertion about requests. Its message lists the requests received. */
export class RequestAssertionError extends Error {
  // Not `AssertionError`: jest treats that as Node's and adds two values to it.
  override readonly name = 'RequestAssertionError';
}

/** A pattern as text that follows `request`: ` POST /v1/runner/* with` and its parts. */
export function described(pattern: RequestPattern): string {
  const { method, path, route, ...rest } = pattern;
  const verb = typeof method === 'string' ? method.toUpperCase() : method;
  const line = [verb, path ?? route].filter((part) => part !== undefined).map(plain);
  if (path !== undefined && route !== undefined) line.push(`(${plain(route)})`);
  const given = Object.entries(rest).filter(([, value]) => value !== undefined);
  const parts = given.map(([part, value]) => `\n    ${part} ${shown(value)}`);
  return `${line.map((part) => ` ${part}`).join('')}${parts.length > 0 ? ` with${parts.join('')}` : ''}`;
}

/** The closest entry that does not match `pattern`, the latest of equals. */
export function nearest(
  pattern: RequestPattern,
  entries: Entry[],
): { entry: Entry; differences: Difference[] } | undefined {
  const misses = entries
    .map((entry) => ({ entry, differences: differences(pattern, entry) }))
    .filter((miss) => miss.differences.length > 0);
  return misses.reduce<(typeof misses)[number] | undefined>((best, miss) => {
    if (best === undefined) return miss;
    return distance(miss.differences) <= distance(best.differences) ? miss : best;
  }, undefined);
}

/** The nearest miss and what differs, as lines. */
export function nearMiss(pattern: RequestPattern, entries: Entry[]): string {
  const miss = nearest(pattern, entries);
  if (miss === undefined) return '';
  const some = miss.differences.slice(0, MOST_DIFFERENCES).map((difference) => {
    return `  ${difference.path}: wanted ${shown(difference.wanted)}, ${found(difference.found)}`;
  });
  const more = miss.differences.length - some.length;
  if (more > 0) some.push(`  … and ${more} more`);
  const notes = [unread(miss.entry), cut(miss.entry)].filter((note) => note !== '');
  return `\n\nNearest: ${headline(miss.entry)}\n${[...some, ...notes].join('\n')}`;
}

/** All requests as lines, oldest first. */
export function received(listing: Listing, hint: string): string {
  const { requests, dropped } = listing;
  if (requests.length === 0) return `\n\nNothing was received. ${hint}`;
  const left = requests.length - MOST_ENTRIES + dropped;
  const before = left > 0 ? [`  … ${left} earlier`] : [];
  const entries = requests.slice(-MOST_ENTRIES).map(entryLines);
  return `\n\nReceived, oldest first:\n${[...before, ...entries].join('\n')}`;
}

/** `2 POST /v1/runner/YOUR_DEPLOYMENT_ID → 200`. */
export function headline(entry: Entry): string {
  const query = entry.query === null ? '' : `?${entry.query}`;
  const notes = [
    entry.end === 'complete' ? '' : entry.end.replace('_', ' '),
    entry.fault === null ? '' : `fault: ${entry.fault.effect}`,
    entry.limit?.admitted === false ? 'over the limit' : '',
  ].filter((note) => note !== '');
  const noted = notes.length > 0 ? ` (${notes.join(', ')})` : '';
  const status = entry.answer?.status ?? 'no answer';
  return `${entry.number} ${entry.method} ${entry.path}${query} → ${status}${noted}`;
}

function entryLines(entry: Entry): string {
  const refusal = (entry.answer?.status ?? 0) >= 400 ? bodyLines(entry.answer?.body, '← ') : [];
  return [`  ${headline(entry)}`, ...bodyLines(entry.body, ''), ...refusal].join('\n');
}

/** The first lines of a body: one line if it is short. */
function bodyLines(body: unknown, mark: string): string[] {
  if (body === null || body === undefined || body === '') return [];
  const short = typeof body === 'string' ? body : JSON.stringify(body);
  const long = typeof body === 'string' ? body : JSON.stringify(body, null, 2);
  const lines = short.length <= WIDTH ? [short] : long.split('\n');
  const first = lines.slice(0, MOST_LINES).map((line) => `      ${mark}${clipped(line)}`);
  const more = lines.length - first.length;
  return more > 0 ? [...first, `      … ${more} more lines`] : first;
}

function unread(entry: Entry): string {
  const missing = entry.body === null && entry.method === 'POST';
  return missing ? '  (no body is known: none was sent, or not before the answer)' : '';
}

function cut(entry: Entry): string {
  if (entry.body_cut !== true) return '';
  return `  (the body is cut: of ${entry.body_bytes} bytes the journal keeps the first, as text)`;
}

function found(value: unknown): string {
  return value === undefined ? 'found nothing' : `found ${shown(value)}`;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : shown(value);
}

/** A value on one line, as JSON if possible. */
export function shown(value: unknown): string {
  const written = JSON.stringify(value, (_, part) => {
    if (part instanceof RegExp) return `${part}`;
    if (typeof part === 'function') return `[${part.name || 'a function'}]`;
    if (typeof part?.asymmetricMatch === 'function') return `[${part}]`;
    return part;
  });
  const bare = value instanceof RegExp || typeof value === 'function' || isMatcher(value);
  return clipped(bare ? JSON.parse(written) : (written ?? String(value)), 2 * WIDTH);
}

function isMatcher(value: unknown): boolean {
  const matcher = value as { asymmetricMatch?: unknown } | null;
  return typeof value === 'object' && typeof matcher?.asymmetricMatch === 'function';
}

function clipped(text: string, width = WIDTH): string {
  return text.length <= width ? text : `${text.slice(0, width)}…`;
}
