import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

function read(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
}

test("the version is the server's", () => {
  const server = /^version = "(.+)"$/m.exec(read('../../Cargo.toml'))?.[1];
  expect(JSON.parse(read('package.json')).version).toBe(server);
});

test('nothing is needed at run time', () => {
  expect(JSON.parse(read('package.json')).dependencies).toBeUndefined();
});

test('the lock names no place to fetch from', () => {
  expect(read('package-lock.json')).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
});

test("the snippets of the README are the examples' files", () => {
  const snippets = [...read('README.md').matchAll(/<!-- (examples\/\S+) -->\n+```\w+\n(.*?)```/gs)];
  expect(snippets.length).toBeGreaterThan(4);
  for (const [, path, snippet] of snippets) expect(snippet, path).toBe(read(path ?? ''));
});
