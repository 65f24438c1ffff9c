/** vitest's `test` with an account for each test. */
import { test as base, type TestAPI } from 'vitest';
import type { Account } from './account.js';
import type { AccountOptions } from './types.js';
import { Mynah } from './mynah.js';

/** The fixtures of a test. */
export interface MynahFixtures {
  /** The server: that of `MYNAH_URL`, else one per worker. */
  mynah: Mynah;
  /** An account for the test, removed after it. */
  account: Account;
  /** Options of `account`. */
  accountOptions: AccountOptions;
}

/** vitest's `test` with the fixtures `account` and `mynah`. */
export const test: TestAPI<MynahFixtures> = base.extend<MynahFixtures>({
  mynah: [
    // vitest derives the needed fixtures from the destructuring pattern.
    async ({}, use) => {
      const mynah = await Mynah.open();
      await use(mynah);
      await mynah.stop();
    },
    { scope: 'worker' },
  ],
  accountOptions: {},
  account: async ({ mynah, accountOptions, task }, use) => {
    const account = await mynah.account(accountOptions);
    await use(account);
    if (failedOtherwise(task.result?.errors)) console.error(await account.report());
    await account.remove();
  },
});

/** Whether a test failed other than by an assertion about requests, whose message lists them. */
function failedOtherwise(errors: { name?: string }[] = []): boolean {
  return errors.length > 0 && !errors.some(({ name }) => name === 'RequestAssertionError');
}

export { test as it };
export type { Account, AccountOptions, Mynah };
