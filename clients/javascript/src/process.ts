import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { SUPERVISOR } from './supervisor.js';

/** How a server is started. Everything may be left out. */
export interface StartOptions {
  /** The path of the binary; else `MYNAH_BINARY`, else `mynah` on the `PATH`. */
  binary?: string;
  /** The seed of the server, a whole number: 1 unless given. */
  seed?: number;
  /** A folder of fixtures; else `MYNAH_FIXTURES`, else the built-in ones. */
  fixtures?: string;
  /**
   * Further options of `mynah serve`, without the dashes: `{ strict: true, pace: 20 }`. `false`
   * leaves one out that would be given.
   */
  flags?: Record<string, string | number | boolean>;
  /** What the control plane wants to be sent; else `MYNAH_ADMIN_TOKEN`. */
  adminToken?: string;
}

/** A server that was started here. */
export interface ServerProcess {
  /** Its base: `http://127.0.0.1:PORT`. */
  url: string;
  /** What it has written to its log, the last of it. */
  log(): string;
  /** Ends it with SIGTERM and waits until it is gone. */
  stop(): Promise<void>;
}

/** How much of the log is kept, in characters. */
const MOST_LOG = 64 * 1024;
/** What a server gets for its end beyond its grace before it is killed, in milliseconds. */
const PATIENCE = 5000;
/** Seconds that running answers get when the server is stopped: a test run waits for nobody. */
const GRACE = 1;

/** Starts a server on a free port with its data in memory; resolves when it says `Ready`. */
export async function startProcess(options: StartOptions): Promise<ServerProcess> {
  const binary = options.binary ?? process.env['MYNAH_BINARY'] ?? 'mynah';
  const flags = flagsOf(options);
  const patience = Number(flags['grace'] || 10) * 1000 + PATIENCE;
  const args = ['-e', SUPERVISOR, '--', String(patience), binary, 'serve', ...written(flags)];
  const child = spawn(process.execPath, args, { env: environment(options), stdio: 'pipe' });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  // The supervisor may be gone before its standard input is closed.
  child.stdin.on('error', () => {});
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-MOST_LOG);
  });
  const url = await Promise.race([ready(child), ended.then(() => undefined)]);
  if (url === undefined) {
    throw new Error(`${binary} did not start${hint(log)}: ${log.trim() || 'it said nothing'}`);
  }
  // A test process that forgets the server can end all the same, and the server ends with it.
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

function written(flags: Record<string, string | number | boolean>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, String(value)];
  });
}

/**
 * The environment of the server, which reads its options there, too. The `Ready` line would show a
 * public URL in the place of the server's own; what is meant for the test's own Node is not for the
 * supervisor's. A token goes by the environment, where no list of processes shows it.
 */
function environment(options: StartOptions): NodeJS.ProcessEnv {
  const { MYNAH_PUBLIC_URL, NODE_OPTIONS, NODE_V8_COVERAGE, ...environment } = process.env;
  if (options.adminToken === undefined) return environment;
  return { ...environment, MYNAH_ADMIN_TOKEN: options.adminToken };
}

/** Resolves with the URL of the `Ready` line. */
function ready(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<string> {
  return new Promise((done) => {
    let said = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      said += text;
      const url = /^Ready on (\S+)$/m.exec(said)?.[1];
      if (url === undefined || !said.endsWith('\n')) return;
      child.stdout.removeAllListeners('data').resume();
      done(url);
    });
  });
}

function hint(log: string): string {
  const missing = log.includes('ENOENT');
  return missing ? ' (say where the binary is with the option `binary` or MYNAH_BINARY)' : '';
}
