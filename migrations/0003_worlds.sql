-- Accounts made at run time. Those of the fixtures have no `made_from`: what they are stands in the
-- fixtures, and here only what they have come to.

ALTER TABLE accounts ADD COLUMN made_from TEXT;         -- the fixture account it was copied from
ALTER TABLE accounts ADD COLUMN api_key TEXT;
ALTER TABLE accounts ADD COLUMN seed BIGINT;            -- its own seed, if it was given one
ALTER TABLE accounts ADD COLUMN ttl BIGINT;             -- seconds without use after which it goes
-- Set where they differ from the fixtures: the plan's id, and limits of its own.
ALTER TABLE accounts ADD COLUMN plan TEXT;
ALTER TABLE accounts ADD COLUMN requests_per_minute BIGINT;
ALTER TABLE accounts ADD COLUMN runner_requests_per_minute BIGINT;
-- What it starts with, and starts with again after a reset.
ALTER TABLE accounts ADD COLUMN first_balance BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN first_plan TEXT;
ALTER TABLE accounts ADD COLUMN first_clock BIGINT;     -- Unix seconds at which it stands still

-- The latest number given to an account. None is given twice, so that what is under way for a
-- removed account never meets another one's rows.
CREATE TABLE account_numbers (
    only_row        BIGINT  NOT NULL PRIMARY KEY CHECK (only_row = 1),
    latest          BIGINT  NOT NULL
);
INSERT INTO account_numbers SELECT 1, COALESCE(MAX(account), 0) FROM accounts;
