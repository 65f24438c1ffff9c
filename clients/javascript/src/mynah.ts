import { Account, newAccount, type Made } from './account.js';
import { Control } from './control.js';
import type { AccountOptions, AccountState } from './forms.js';
import { startProcess, type ServerProcess, type StartOptions } from './process.js';

/** Seconds without a request after which an account that a test left behind is removed. */
const LONGEST_UNUSED = 3600;

/** A server: one that was started here, or one that runs elsewhere. */
export class Mynah {
  /** Its base: `http://127.0.0.1:PORT`. */
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

  /** Uses the server at `url`, once it was found to answer. */
  static async attach(url: string, options: { adminToken?: string } = {}): Promise<Mynah> {
    const control = new Control(url, tokenOf(options));
    await control.ask('GET', '/health');
    return new Mynah(control);
  }

  /** Uses the server at `MYNAH_URL` if that is set, else starts one. */
  static open(options: StartOptions = {}): Promise<Mynah> {
    const url = process.env['MYNAH_URL'];
    return url ? Mynah.attach(url, options) : Mynah.start(options);
  }

  /**
   * Makes an account. It has the seed 1 unless told otherwise, so that a test gets the same ids
   * whatever other tests do.
   */
  async account(options: AccountOptions = {}): Promise<Account> {
    const body = newAccount({ seed: 1, ttl: LONGEST_UNUSED, ...options });
    const made = await this.#control.ask<Made>('POST', '/accounts', body);
    return this.#holding(made.id, made.key);
  }

  /** An account that is there already: one of the fixtures, with a key of its. */
  existing(id: string, key: string): Account {
    const on = { forked: this.#holding, removed: () => {} };
    return new Account(this.#control, id, key, on);
  }

  /** All accounts that the server has, in the order of their making. */
  accounts(): Promise<AccountState[]> {
    return this.#control.ask('GET', '/accounts');
  }

  /** The end of the log of a server that was started here; else nothing. */
  log(): string {
    return this.#process?.log() ?? '';
  }

  /** Stops a server that was started here; in another, removes what accounts were made. */
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
