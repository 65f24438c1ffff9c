-- What an account was made with, and its clock, survive a restart.

-- Times of clocks are Unix microseconds. Where a clock stands still at first, was whole seconds until now.
UPDATE accounts SET first_clock = first_clock * 1000000;
-- By how much a clock that runs is ahead of the system's at first; negative if it is behind.
ALTER TABLE accounts ADD COLUMN first_clock_ahead BIGINT;
-- How it goes now, where it was changed since: as above, the one or the other.
ALTER TABLE accounts ADD COLUMN clock_frozen_at BIGINT;
ALTER TABLE accounts ADD COLUMN clock_ahead BIGINT;

-- What a fork was copied from, as a snapshot: a reset gives that back. An account that was not
-- copied from another one has no row, and gets the fixtures.
CREATE TABLE account_origins (
    account         BIGINT  NOT NULL PRIMARY KEY REFERENCES accounts (account) ON DELETE CASCADE,
    snapshot        TEXT    NOT NULL
);
