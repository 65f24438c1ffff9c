import { isDeepStrictEqual } from 'node:util';
import { parsed } from './control.js';
import type { Api, Entry } from './types.js';

/**
 * Criteria for a request; all given ones must match. `docs/control.md` says how the server compares
 * them ("Patterns"). A value may also be a regular expression, which the server searches; a function;
 * or a matcher of vitest or jest (`expect.anything()`).
 */
export interface RequestPattern {
  api?: Api;
  /** In any case. */
  method?: string | RegExp;
  /** As in the documents: `/v1/runner/{deployment_id}`. */
  route?: string | RegExp;
  /** Exact, or a prefix with `*` at its end. */
  path?: string | RegExp;
  /** Parameters of the query, as text; or the whole query. */
  query?: string | Record<string, unknown>;
  /** Names in any case. Keys are `[redacted]`. */
  headers?: Record<string, unknown>;
  /** A text is searched in all texts of the body; anything else is compared in part. */
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

/** A pattern in two parts. */
export interface SplitPattern {
  /** What the server compares: its parameter `match`. */
  match: string;
  /** Where an entry that the server selected differs from the rest; empty if it matches. */
  differences(entry: Entry): string[];
}

/** A field name or an index for each step from an entry to a value in it. */
type Place = (string | number)[];

/** A condition that cannot be sent: a function, a matcher, or a value that holds one. */
interface LocalCondition {
  place: Place;
  wanted: unknown;
}

/** Splits a pattern into what the server compares and what must be compared here. */
export function split(pattern: RequestPattern): SplitPattern {
  const local: LocalCondition[] = [];
  const criteria = Object.entries(pattern).filter(([, wanted]) => wanted !== undefined);
  const sent = criteria.map(([name, wanted]) => [name, sendable(wanted, [name], local)]);
  return {
    match: JSON.stringify(Object.fromEntries(sent)),
    differences(entry) {
      const values = valuesOf(entry);
      return local.flatMap(({ place, wanted }) => {
        if (!(place[0]! in values)) throw new TypeError(`${place[0]} cannot be compared here`);
        const found = place.reduce(field, values);
        return holds(wanted, found) ? [] : [`${written(place)}: found ${shown(found)}`];
      });
    },
  };
}

/** `wanted` in the JSON of the server, without the conditions that are added to `local`. */
function sendable(wanted: unknown, place: Place, local: LocalCondition[]): unknown {
  const keep = () => void local.push({ place, wanted });
  if (wanted instanceof RegExp) return { regex: regexOf(wanted) };
  if (wanted === undefined || typeof wanted === 'function' || isMatcher(wanted)) return keep();
  if (Array.isArray(wanted)) {
    const items = wanted.map((item, index) => sendable(item, [...place, index], local));
    // The server has no pattern that matches any item.
    return items.includes(undefined) ? keep() : items;
  }
  if (typeof wanted !== 'object' || wanted === null) return wanted;
  const sent = Object.entries(wanted).map(([name, value]) => {
    const written = place[0] === 'headers' ? name.toLowerCase() : name;
    return [written, sendable(value, [...place, written], local)];
  });
  const fields = Object.fromEntries(sent);
  // As the only field, one of these is an operator, but not as a parameter or header.
  const isOperator = /^(equals|contains|regex)$/.test(Object.keys(wanted).join());
  if (!isOperator || /^(query|headers)$/.test(place.join())) return fields;
  return isDeepStrictEqual(fields, wanted) ? { equals: fields } : keep();
}

/** A regular expression in the syntax of the server, which refuses what it does not know. */
function regexOf({ source, flags }: RegExp): string {
  if (flags.includes('y')) throw new TypeError(`/${source}/${flags}: the flag y cannot be sent`);
  // The others change nothing: the server knows Unicode, and searches for one match.
  const sent = flags.replace(/[^ims]/g, '');
  return sent === '' ? source : `(?${sent})${source}`;
}

/** The values of an entry by the names of their criteria. */
function valuesOf(entry: Entry): Record<string, unknown> {
  const { answer, fault, query } = entry;
  return {
    ...entry,
    // Of a repeated parameter, the first counts.
    query: Object.fromEntries([...new URLSearchParams(query ?? '')].reverse()),
    // A body of JSON that is not an object is text in the entry.
    body: json(entry.body),
    answer: json(answer?.body),
    status: answer?.status,
    fault: fault?.effect,
  };
}

function json(body: unknown): unknown {
  return typeof body === 'string' ? parsed(body) : body;
}

function field(value: unknown, name: string | number): any {
  return Object.hasOwn(Object(value), name) ? (value as any)[name] : undefined;
}

/** Whether a value is like `wanted`, which the server has not compared. */
function holds(wanted: unknown, found: unknown): boolean {
  if (typeof wanted === 'function') return Boolean(wanted(found));
  if (isMatcher(wanted)) return wanted.asymmetricMatch(found);
  if (wanted instanceof RegExp) return typeof found === 'string' && found.search(wanted) >= 0;
  if (typeof wanted !== 'object' || wanted === null) return wanted === found;
  if (typeof found !== 'object' || found === null) return false;
  const length = (value: object) => (Array.isArray(value) ? value.length : -1);
  if (length(wanted) !== length(found)) return false;
  return Object.entries(wanted).every(([name, value]) => holds(value, field(found, name)));
}

interface Matcher {
  asymmetricMatch(found: unknown): boolean;
}

function isMatcher(wanted: unknown): wanted is Matcher {
  return typeof (wanted as Partial<Matcher> | null)?.asymmetricMatch === 'function';
}

/** `body.content[0].text`. */
function written(place: Place): string {
  const steps = place.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`));
  return steps.join('').slice(1);
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 200);
}
