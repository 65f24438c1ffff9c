import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { SUPERVISOR } from './supervisor.js';

/** Options of a server; all are optional. */
export interface StartOptions {
  /** The path of the binary; default: `MYNAH_BINARY`, else `mynah` on the `PATH`. */
  binary?: string;
  /** The seed of the server, a whole number; default: 1. */
  seed?: number;
  /** A folder of fixtures; default: `MYNAH_FIXTURES`, else the built-in ones. */
  fixtures?: string;
  /**
   * Other options of `mynah serve`, without the dashes: `{ strict: true, pace: 20 }`. `false` removes a
   * default.
   */
  flags?: Record<string, string | number | boolean>;
  /** The token of the control plane; default: `MYNAH_ADMIN_TOKEN`. */
  adminToken?: string;
}

/** A started server. */
export interface ServerProcess {
  /** Its base URL: `http://127.0.0.1:PORT`. */
  url: string;
  /** The end of its log. */
  log(): string;
  /** Stops it with SIGTERM and waits for its exit. */
  stop(): Promise<void>;
}

/** Number of characters of the log that are kept. */
const MOST_LOG = 64 * 1024;
/** Milliseconds beyond its grace after which a server is killed. */
const KILL_AFTER = 5000;
/** The grace of the server in seconds, short so that a test run ends quickly. */
const GRACE = 1;

/** Starts a server on a free port with its data in memory; resolves when it prints `Ready`. */
export async function startProcess(options: StartOptions): Promise<ServerProcess> {
  const binary = options.binary ?? process.env['MYNAH_BINARY'] ?? 'mynah';
  const flags = flagsOf(options);
  const timeout = Number(flags['grace'] || 10) * 1000 + KILL_AFTER;
  const args = ['-e', SUPERVISOR, '--', String(timeout), binary, 'serve', ...argumentsOf(flags)];
  const child = spawn(process.execPath, args, { env: environment(options), stdio: 'pipe' });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  // The supervisor may exit before its standard input is closed.
  child.stdin.on('error', () => {});
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-MOST_LOG);
  });
  const url = await Promise.race([ready(child), ended.then(() => undefined)]);
  if (url === undefined) {
    throw new Error(`${binary} did not start${hint(log)}: ${log.trim() || 'it said nothing'}`);
  }
  // The server must not keep the test process running; it ends with it.
  const handles = [child, child.stdin, child.stdout, child.stderr] as (ChildProcess | Socket)[];
  for (const handle of handles) handle.unref();
  return {
    url,
    log: () => log,
    async stop() {
      for (const handle of handles) handle.ref();
      child.stdin.end();
      await ended;
    },
  };
}

function flagsOf(options: StartOptions): Record<string, string | number | boolean> {
  return {
    host: '127.0.0.1',
    port: 0,
    database: 'sqlite::memory:',
    seed: options.seed ?? 1,
    pace: 0,
    grace: GRACE,
    log: 'warn',
    ...(options.fixtures === undefined ? {} : { fixtures: options.fixtures }),
    ...options.flags,
  };
}

function argumentsOf(flags: Record<string, string | number | boolean>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, String(value)];
  });
}

/**
 * The environment of the server, from which it also reads options. Without a public URL, which would
 * replace the server's own in the `Ready` line, and without options for the test's Node, which are not
 * for the supervisor. The token is passed here so that no list of processes shows it.
 */
function environment(options: StartOptions): NodeJS.ProcessEnv {
  const { MYNAH_PUBLIC_URL, NODE_OPTIONS, NODE_V8_COVERAGE, ...environment } = process.env;
  if (options.adminToken === undefined) return environment;
  return { ...environment, MYNAH_ADMIN_TOKEN: options.adminToken };
}

/** Resolves with the URL of the `Ready` line. */
function ready(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<string> {
  return new Promise((done) => {
    let output = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      output += text;
      const url = /^Ready on (\S+)$/m.exec(output)?.[1];
      if (url === undefined || !output.endsWith('\n')) return;
      child.stdout.removeAllListeners('data').resume();
      done(url);
    });
  });
}

function hint(log: string): string {
  const missing = log.includes('ENOENT');
  return missing ? ' (say where the binary is with the option `binary` or MYNAH_BINARY)' : '';
}
