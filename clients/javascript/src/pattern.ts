import type { Api, Entry } from './types.js';

/**
 * Criteria for a request; all given ones must match. Objects are compared in the given fields,
 * arrays item by item. A value may be a regular expression, a predicate, or a matcher of vitest or
 * jest (`expect.anything()`).
 */
export interface RequestPattern {
  api?: Api;
  /** In any case. */
  method?: string | RegExp;
  /** As in the documents: `/v1/runner/{deployment_id}`. */
  route?: string | RegExp;
  /** Exact, or a prefix with `*` at its end. */
  path?: string | RegExp;
  /** Parameters of the query, as text. */
  query?: Record<string, unknown>;
  /** Names in any case. Keys are `[redacted]`. */
  headers?: Record<string, unknown>;
  body?: unknown;
  /** The status of the answer, or a class like `2xx`. */
  status?: number | string | RegExp;
  /** The body of the answer. */
  answer?: unknown;
  /** What the model was shown: `{ variables: { TONE: 'warm' }, turn: 2 }`. */
  model?: unknown;
  /** How it ended: `complete`, `broken`, `hung_up`. */
  end?: Entry['end'];
  /** The fault that took effect, by the name of its effect. */
  fault?: string | RegExp;
}

/** A difference between a request and a pattern. */
export interface Difference {
  /** `body.content[0].text`. */
  path: string;
  wanted: unknown;
  /** `undefined` if there was nothing. */
  found: unknown;
}

type Found = [wanted: unknown, found: unknown];

/** How each part of a pattern is compared with an entry. */
const PARTS: { [part in keyof Required<RequestPattern>]: (wanted: never, entry: Entry) => Found } = {
  method: (wanted: string | RegExp, { method }) =>
    typeof wanted === 'string' ? [wanted.toUpperCase(), method] : [wanted, method],
  path: (wanted: string | RegExp, { path }) => [wanted, beginsSo(wanted, path) ? wanted : path],
  route: (wanted, { route }) => [wanted, route],
  api: (wanted, { path }) => [wanted, apiOf(path)],
  query: (wanted, { query }) => [wanted, Object.fromEntries(new URLSearchParams(query ?? ''))],
  headers: (wanted: Record<string, unknown>, { headers }) => [lowerCased(wanted), headers],
  body: (wanted, { body }) => [wanted, body],
  status: (wanted: number | string | RegExp, { answer }) => {
    if (typeof wanted === 'number') return [wanted, answer?.status];
    const status = answer?.status.toString();
    const kind = typeof wanted === 'string' && /^[1-5]xx$/.test(wanted);
    return [wanted, kind ? status?.replace(/..$/, 'xx') : status];
  },
  answer: (wanted, { answer }) => [wanted, answer?.body],
  model: (wanted, { model }) => [wanted, model],
  end: (wanted, { end }) => [wanted, end],
  fault: (wanted, { fault }) => [wanted, fault?.effect],
};

/** The differences between `entry` and `pattern`; empty if it matches. */
export function differences(pattern: RequestPattern, entry: Entry): Difference[] {
  checkPattern(pattern);
  return Object.entries(PARTS).flatMap(([part, pair]) => {
    const given = pattern[part as keyof RequestPattern];
    if (given === undefined) return [];
    const [wanted, found] = pair(given as never, entry);
    return compared(wanted, found, part);
  });
}

/** Throws for an unknown part of a pattern: a misspelt one would match everything. */
export function checkPattern(pattern: RequestPattern): void {
  for (const part of Object.keys(pattern)) {
    if (part in PARTS) continue;
    throw new TypeError(`${part} is no part of a request: ${Object.keys(PARTS).join(', ')}`);
  }
}

/** Compares objects in the given fields, arrays item by item. */
export function compared(wanted: unknown, found: unknown, path: string): Difference[] {
  const differs = [{ path, wanted, found }];
  if (wanted instanceof RegExp) {
    return typeof found === 'string' && found.search(wanted) >= 0 ? [] : differs;
  }
  if (typeof wanted === 'function') return wanted(found) ? [] : differs;
  if (typeof wanted !== 'object' || wanted === null) return Object.is(wanted, found) ? [] : differs;
  if (isMatcher(wanted)) return wanted.asymmetricMatch(found) ? [] : differs;
  if (typeof found !== 'object' || found === null) return differs;
  if (Array.isArray(wanted) !== Array.isArray(found)) return differs;
  if (Array.isArray(wanted) && Array.isArray(found)) {
    const items = wanted.flatMap((item, at) => compared(item, found[at], `${path}[${at}]`));
    const length = { path: `${path}.length`, wanted: wanted.length, found: found.length };
    return found.length > wanted.length ? [...items, length] : items;
  }
  return Object.entries(wanted).flatMap(([name, value]) => {
    const there = Object.hasOwn(found, name);
    const has = there ? (found as Record<string, unknown>)[name] : undefined;
    return compared(value, has, `${path}.${name}`);
  });
}

/** The distance of an entry from a pattern: another path or method is farther than another field. */
export function distance(differences: Difference[]): number {
  const weights: Record<string, number> = { path: 100, route: 100, api: 100, method: 50 };
  return differences.reduce((sum, { path }) => sum + (weights[path] ?? 1), 0);
}

interface Matcher {
  asymmetricMatch(found: unknown): boolean;
}

function isMatcher(wanted: object): wanted is Matcher {
  return typeof (wanted as Partial<Matcher>).asymmetricMatch === 'function';
}

/** Whether `wanted` is a prefix with `*` that matches `path`. */
function beginsSo(wanted: string | RegExp, path: string): boolean {
  return typeof wanted === 'string' && wanted.endsWith('*') && path.startsWith(wanted.slice(0, -1));
}

function apiOf(path: string): Api | undefined {
  if (path.startsWith('/v1/runner')) return 'runner';
  return path.startsWith('/api/v1') ? 'characters' : undefined;
}

function lowerCased(headers: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
