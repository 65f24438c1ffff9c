import { describe, expect, test } from 'vitest';
import { compared } from '../src/pattern.js';

describe('compared in part', () => {
  const found = { text: 'Hi', tags: ['a', 'b'], meta: { user: 7, none: null } };

  test.each<[string, unknown]>([
    ['some fields of an object', { meta: { user: 7 } }],
    ['every item of an array', { tags: ['a', /b/] }],
    ['null', { meta: { none: null } }],
    ['a function', { meta: (meta: unknown) => typeof meta === 'object' }],
    ['matchers', { text: expect.any(String), tags: expect.arrayContaining(['b']) }],
    ['a field that is not there', { more: undefined }],
  ])('%s', (_, wanted) => {
    expect(compared(wanted, found, 'body')).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['another value', { meta: { user: '7' } }, 'body.meta.user'],
    ['a shorter array', { tags: ['a'] }, 'body.tags.length'],
    ['a longer array', { tags: ['a', 'b', 'c'] }, 'body.tags[2]'],
    ['an object for an array', { tags: { 0: 'a' } }, 'body.tags'],
    ['a field that is only inherited', { toString: expect.anything() }, 'body.toString'],
    ['a number for a pattern', { meta: { user: /7/ } }, 'body.meta.user'],
    ['null for an object', { meta: { none: {} } }, 'body.meta.none'],
  ])('not %s', (_, wanted, path) => {
    expect(compared(wanted, found, 'body').map((difference) => difference.path)).toEqual([path]);
  });

  test('with the same pattern again and again', () => {
    const wanted = /H/g;
    expect([1, 2].flatMap(() => compared(wanted, 'Hi', 'text'))).toEqual([]);
  });
});
