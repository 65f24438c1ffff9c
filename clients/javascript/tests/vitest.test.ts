import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What vitest says of the tests in `failing/`. */
function failing(): Promise<string> {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'tests/failing/vitest.config.ts'];
  const env = { ...process.env, NO_COLOR: '1' };
  return new Promise((done) => {
    execFile(process.execPath, args, { cwd: ROOT, env }, (_, out, err) => done(out + err));
  });
}

test('a test that fails otherwise shows its requests, one that fails by them shows its line', async () => {
  const said = await failing();
  expect(said).toContain('Tests  2 failed');
  expect(said).toMatch(/stderr \| .*fails by its answer\nreceived 1 request:\n    1 GET /);
  expect(said).toMatch(/❯ failing\.ts:11:/);
  expect(said.match(/received 1 request:/g)).toHaveLength(2);
});
