import { Account, newAccount, type CreatedAccount } from './account.js';
import { Control } from './control.js';
import type { AccountOptions, AccountState } from './types.js';
import { startProcess, type ServerProcess, type StartOptions } from './process.js';

/** Seconds without a request after which an account left by a test is removed. */
const LONGEST_UNUSED = 3600;

/** A server, started here or attached to. */
export class Mynah {
  /** Its base URL: `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly #control: Control;
  readonly #process: ServerProcess | undefined;
  readonly #accounts = new Map<string, Account>();

  private constructor(control: Control, process?: ServerProcess) {
    this.url = control.url;
    this.#control = control;
    this.#process = process;
  }

  /** Starts a server on a free port, with its data in memory. */
  static async start(options: StartOptions = {}): Promise<Mynah> {
    const process = await startProcess(options);
    return new Mynah(new Control(process.url, tokenOf(options)), process);
  }

  /** Uses the server at `url` after checking that it answers. */
  static async attach(url: string, options: { adminToken?: string } = {}): Promise<Mynah> {
    const control = new Control(url, tokenOf(options));
    await control.ask('GET', '/health');
    return new Mynah(control);
  }

  /** Uses the server at `MYNAH_URL` if set, else starts one. */
  static open(options: StartOptions = {}): Promise<Mynah> {
    const url = process.env['MYNAH_URL'];
    return url ? Mynah.attach(url, options) : Mynah.start(options);
  }

  /**
   * Creates an account. Its default seed is 1, so that a test gets the same ids whatever other tests
   * do.
   */
  async account(options: AccountOptions = {}): Promise<Account> {
    const body = newAccount({ seed: 1, ttl: LONGEST_UNUSED, ...options });
    const created = await this.#control.ask<CreatedAccount>('POST', '/accounts', body);
    return this.#holding(created.id, created.key);
  }

  /** An existing account, for example one of the fixtures, with its key. */
  existing(id: string, key: string): Account {
    const on = { forked: this.#holding, removed: () => {} };
    return new Account(this.#control, id, key, on);
  }

  /** All accounts of the server, in order of creation. */
  accounts(): Promise<AccountState[]> {
    return this.#control.ask('GET', '/accounts');
  }

  /** The end of the log of a server started here, else an empty string. */
  log(): string {
    return this.#process?.log() ?? '';
  }

  /** Stops a server started here; in an attached one, removes the accounts created. */
  async stop(): Promise<void> {
    if (this.#process !== undefined) return this.#process.stop();
    for (const account of [...this.#accounts.values()]) await account.remove();
  }

  /** `await using mynah = await Mynah.start()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #holding = (id: string, key: string): Account => {
    const removed = (id: string) => this.#accounts.delete(id);
    const account = new Account(this.#control, id, key, { forked: this.#holding, removed });
    this.#accounts.set(id, account);
    return account;
  };
}

function tokenOf(options: { adminToken?: string }): string | undefined {
  return options.adminToken ?? process.env['MYNAH_ADMIN_TOKEN'];
}
