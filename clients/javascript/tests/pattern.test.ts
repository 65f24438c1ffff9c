import { expect } from 'vitest';
import { test } from '../src/vitest.js';
import { HI, list, run } from './support.js';

const variables = { text: 'Hi', tags: ['a', 'b'], meta: { user: 7, none: null } };
const BODY = { ...HI, variables };

test.for<[string, unknown]>([
  ['some fields of an object', { meta: { user: 7 } }],
  ['every item of an array', { tags: ['a', /b/] }],
  ['null', { meta: { none: null } }],
  ['a number as text', { meta: { user: /7/ } }],
  ['flags', { text: /^h.$/isu }],
  ['a function', { meta: (meta: unknown) => typeof meta === 'object' }],
  ['matchers', { text: expect.any(String), tags: expect.arrayContaining(['b']) }],
  ['a matcher in an array', { tags: [/a/g, expect.anything()] }],
  ['a field that is not there', { more: undefined }],
])('a pattern matches %s', async ([, wanted], { account }) => {
  await run(account, BODY);
  // Twice: a regular expression with the flag `g` has a state.
  await account.expectRequest({ body: { variables: wanted } });
  await account.expectRequest({ body: { variables: wanted } });
});

test.for<[string, unknown, string]>([
  ['another value', { meta: { user: '7' } }, 'meta.user: wanted "7", found 7'],
  ['a shorter array', { tags: ['a'] }, 'tags: wanted 1 item, found 2 items: ["a","b"]'],
  ['a longer array', { tags: ['a', 'b', 'c'] }, 'tags: wanted 3 items, found 2 items'],
  ['an object for an array', { tags: { 0: 'a' } }, 'tags: wanted {"0":"a"}, found ["a","b"]'],
  ['null for an object', { meta: { none: {} } }, 'meta.none: wanted {}, found null'],
  ['another case', { text: /^h/ }, 'text: wanted a text that matches "^h", found "Hi"'],
  ['a field that is only inherited', { toString: expect.anything() }, 'toString: found nothing'],
  ['a function that does not hold', { text: () => false }, 'text: found "Hi"'],
  ['a field that must not be there', { text: undefined }, 'text: found "Hi"'],
  ['a shorter array with a matcher', { tags: [expect.anything()] }, 'tags: found ["a","b"]'],
  ['another item beside a matcher', { tags: ['b', expect.anything()] }, 'tags: found ["a","b"]'],
])('a pattern does not match %s', async ([, wanted, difference], { account }) => {
  await run(account, BODY);
  const failure = account.expectRequest({ body: { variables: wanted } });
  await expect(failure).rejects.toThrow(`    body.variables.${difference}`);
});

test('objects with the name of an operator are compared as they are', async ({ account }) => {
  await run(account, { ...HI, variables: { search: { contains: 'x' }, found: { regex: ['x', 1] } } });
  await account.expectRequest({ body: { variables: { search: { contains: 'x' } } } });
  await account.expectRequest({ body: { variables: { search: { contains: /^x$/ } } } });
  await account.expectRequest({ body: { variables: { found: { regex: ['x', expect.any(Number)] } } } });
  await account.expectNoRequest({ body: { variables: { search: { contains: '' } } } });
  await list(account, '?contains=xy');
  await account.expectRequest({ query: { contains: 'xy' } });
  await account.expectNoRequest({ query: { contains: 'x' } });
  await account.expectNoRequest({ body: { variables: { search: { contains: /y/ } } } });
});

test('functions and matchers may stand for every criterion', async ({ account }) => {
  const url = `${account.runnerUrl}/conversations?page=2&page=3`;
  await fetch(url, { headers: { ...account.runnerHeaders, 'X-Trace': 't 1' } });
  await fetch(url, { method: 'POST', headers: account.runnerHeaders, body: '[1, 2]' });
  await account.expectRequestCount(1, {
    method: expect.stringMatching('GET'),
    query: { page: (page: string) => page === '2' },
    headers: { 'X-Trace': expect.stringContaining('t') },
    status: expect.any(Number),
    answer: { error: { param: (param: string) => param === 'page' } },
    fault: undefined as never,
  });
  await account.expectRequestCount(1, { body: [1, expect.any(Number)] });
  const misspelt = { methd: expect.anything() } as object;
  await expect(account.expectNoRequest(misspelt)).rejects.toThrow('methd cannot be compared here');
});

test('what the server cannot search is refused', async ({ account }) => {
  await expect(account.expectNoRequest({ path: /(?=x)/ })).rejects.toThrow(/400: match\.path\.regex: .*look-around/);
  await expect(account.expectNoRequest({ path: /x/y })).rejects.toThrow('the flag y cannot be sent');
});
