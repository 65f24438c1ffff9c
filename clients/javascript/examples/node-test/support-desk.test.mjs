import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mynah } from '@mynah/testing';
import { ask } from '../support-desk.cjs';

let mynah;
before(async () => (mynah = await Mynah.open()));
after(() => mynah.stop());

test('gives up when it is turned away for the third time', async (t) => {
  const account = await mynah.account();
  t.after(() => account.remove());
  await account.faults.add({ effect: { status: 503 } });

  await assert.rejects(ask(account.runnerUrl, account.key, 'Hi'), /turned away with 503/);

  await account.expectRequestCount(3);
});
