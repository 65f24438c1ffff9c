/** vitest's `test` with an account for each test. */
import { test as base, type TestAPI } from 'vitest';
import type { Account } from './account.js';
import type { AccountOptions } from './forms.js';
import { Mynah } from './mynah.js';

/** What a test gets that asks for it. */
export interface MynahFixtures {
  /** The server: that of `MYNAH_URL`, else one for each worker. */
  mynah: Mynah;
  /** An account of the test's own, removed after it. */
  account: Account;
  /** How `account` is made. */
  accountOptions: AccountOptions;
}

/** vitest's `test`, whose tests may ask for `account` and `mynah`. */
export const test: TestAPI<MynahFixtures> = base.extend<MynahFixtures>({
  mynah: [
    // vitest reads from the pattern which fixtures a fixture needs.
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

/** Whether a test failed by something else than an assertion about requests, which tells them. */
function failedOtherwise(errors: { message: string }[] = []): boolean {
  return errors.length > 0 && !errors.some(({ message }) => /\n\n(Received|Nothing was received)/.test(message));
}

export { test as it };
export type { Account, AccountOptions, Mynah };
