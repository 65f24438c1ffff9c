import http from 'node:http';
import https from 'node:https';

/** The control plane refused a call, or answered unexpectedly. */
export class MynahError extends Error {
  override readonly name = 'MynahError';

  constructor(
    message: string,
    /** The status of its answer. */
    readonly status: number,
  ) {
    super(message);
  }
}

/** Calls the control plane below the path of one account. */
export type AskOfAccount = <T>(method: string, path: string, body?: unknown) => Promise<T>;

/** An answer of the control plane. */
interface Answer {
  status: number;
  /** Parsed JSON; `undefined` without a body. */
  body: unknown;
}

/**
 * A client of the control plane of one server.
 *
 * It uses `node:http` and a connection per call, because tests replace the global `fetch`, run in
 * environments without it, and stop at breakpoints for longer than a server keeps idle connections.
 */
export class Control {
  readonly url: string;
  readonly #token: string | undefined;

  /** `url` is the server's base URL, `token` its `--admin-token`. */
  constructor(url: string, token?: string) {
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
  }

  /**
   * Sends a request and returns the body of the answer. Throws {@link MynahError} on errors whose
   * status is not in `expected`.
   */
  async ask<T>(method: string, path: string, body?: unknown, expected: number[] = []): Promise<T> {
    const answer = await this.#send(method, path, body);
    const isRefusal = answer.status >= 400 && !expected.includes(answer.status);
    if (isRefusal) throw refused(method, path, answer);
    return answer.body as T;
  }

  #send(method: string, path: string, body?: unknown): Promise<Answer> {
    const url = new URL(`${this.url}/_mynah${path}`);
    const headers: Record<string, string> = {};
    if (this.#token !== undefined) headers['authorization'] = `Bearer ${this.#token}`;
    // Changes need a JSON content type, even without a body.
    if (method !== 'GET' && method !== 'DELETE') headers['content-type'] = 'application/json';
    const content = body === undefined ? undefined : JSON.stringify(body);
    if (content !== undefined) headers['content-length'] = String(Buffer.byteLength(content));
    const { request } = url.protocol === 'https:' ? https : http;
    return new Promise((done, failed) => {
      const fail = (error: Error) => failed(unreachable(this.url, error));
      const sent = request(url, { method, headers, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.on('error', fail);
        answer.on('end', () => done({ status: answer.statusCode ?? 0, body: parsed(text) }));
      });
      sent.on('error', fail);
      sent.end(content);
    });
  }
}

/** `?name=value…` of the given parameters, or an empty string. */
export function query(parameters: object): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const written = given.map(([name, value]): [string, string] => [name, String(value)]);
  return written.length > 0 ? `?${new URLSearchParams(written)}` : '';
}

function unreachable(url: string, error: Error): Error {
  return new Error(`Mynah at ${url} does not answer: ${error.message}`, { cause: error });
}

/** JSON, or the text itself if it is not JSON; `undefined` if it is empty. */
export function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function refused(method: string, path: string, answer: Answer): MynahError {
  const reason = (answer.body as { error?: unknown } | undefined)?.error ?? 'no reason given';
  const hint =
    answer.status === 401 || answer.status === 403
      ? ' (does it want a token? give it as `adminToken` or MYNAH_ADMIN_TOKEN)'
      : '';
  const message = `${method} /_mynah${path}: ${answer.status}: ${String(reason)}${hint}`;
  return new MynahError(message, answer.status);
}
