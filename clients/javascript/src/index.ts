/** Mynah in JavaScript tests. `README.md` shows its use; `docs/control.md` describes the types. */
export { Mynah } from './mynah.js';
export { Account } from './account.js';
export { Clock, Faults, Replies, Runs, Triggers } from './parts.js';
export { Journal, RequestAssertionError, type Patience } from './journal.js';
export { MynahError } from './control.js';
export type { RequestPattern } from './pattern.js';
export type { StartOptions } from './process.js';
export type * from './types.js';
