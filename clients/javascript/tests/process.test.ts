import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Mynah } from '../src/index.js';
import { run } from './support.js';

const BUILT = new URL('../dist/esm/index.js', import.meta.url).href;

/** A Node process that runs `script` with this package's `Mynah`, as it was built. */
function node(script: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const program = `import { Mynah } from ${JSON.stringify(BUILT)};\n${script}`;
  const args = ['--input-type=module', '-e', program];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The first line that a process writes. */
async function firstLine({ stdout }: { stdout: NodeJS.ReadableStream }): Promise<string> {
  const [said] = (await once(stdout, 'data')) as [Buffer];
  return said.toString().split('\n')[0] ?? '';
}

/** Resolves when the server at `url` closes a connection that is open to it. */
async function goneWith(url: string, end: () => unknown): Promise<void> {
  const { hostname, port } = new URL(url);
  const connection = connect(Number(port), hostname);
  await once(connection, 'connect');
  const closed = once(connection.resume(), 'close');
  end();
  await closed;
  await expect(fetch(url)).rejects.toThrow();
}

describe('a server', () => {
  test('is gone when it was stopped', async () => {
    const mynah = await Mynah.start();
    await goneWith(mynah.url, () => mynah.stop());
  });

  test('is gone with the test process, even if that is killed', async () => {
    const tests = node('console.log((await Mynah.start()).url); setInterval(() => {}, 1e6);');
    const url = await firstLine(tests);
    await goneWith(url, () => tests.kill('SIGKILL'));
  });

  test('does not keep a test process that forgets it', async () => {
    const tests = node('console.log((await Mynah.start()).url);');
    const url = await firstLine(tests);
    expect(await once(tests, 'exit')).toEqual([0, null]);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  test('draws from its seed and heeds its options', async () => {
    await using mynah = await Mynah.start({ seed: 7, flags: { strict: true, pace: 20 } });
    await using account = await mynah.account();
    expect((await run(account, { content: [], wrong: 1 })).status).toBe(400);
    await account.expectRequest({ answer: { error: { message: /wrong/ } } });
  });

  test('that cannot be found is a failure that says how to name it', async () => {
    const started = Mynah.start({ binary: '/nowhere/mynah' });
    await expect(started).rejects.toThrow(/nowhere\/mynah did not start .*MYNAH_BINARY/);
  });

  test('that refuses its options fails with its own words', async () => {
    const started = Mynah.start({ flags: { pace: 'quick' } });
    await expect(started).rejects.toThrow(/invalid value 'quick' for '--pace/);
  });
});

describe('a server elsewhere', () => {
  test('is used by its URL, keeps running, and keeps no account', async () => {
    await using server = await Mynah.start();
    const mynah = await Mynah.attach(`${server.url}/`);
    const account = await mynah.account();
    expect((await run(account)).status).toBe(200);
    const fork = await account.fork();
    await mynah.stop();
    const ids = (await server.accounts()).map(({ id }) => id);
    expect(ids).not.toContain(account.id);
    expect(ids).not.toContain(fork.id);
  });

  test('wants its token', async () => {
    await using server = await Mynah.start({ adminToken: 'sesame' });
    await server.account();
    const mynah = await Mynah.attach(server.url);
    await expect(mynah.account()).rejects.toThrow(/401: .*MYNAH_ADMIN_TOKEN/);
    const known = await Mynah.attach(server.url, { adminToken: 'sesame' });
    await (await known.account()).expectNoRequest();
  });

  test('that is not there is told by its URL', async () => {
    const gone = await Mynah.start();
    await gone.stop();
    await expect(Mynah.attach(gone.url)).rejects.toThrow(`Mynah at ${gone.url} does not answer`);
  });
});
