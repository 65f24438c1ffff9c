// jest runs ES modules with NODE_OPTIONS=--experimental-vm-modules.
import { Mynah } from '@mynah/testing';
import { ask } from '../support-desk.cjs';

test('an account for one test', async () => {
  const mynah = await Mynah.open();
  const account = await mynah.account();
  try {
    await ask(account.runnerUrl, account.key, 'Hi');
    await account.expectRequestCount(1, { status: 200 });
  } finally {
    await account.remove();
    await mynah.stop();
  }
});
