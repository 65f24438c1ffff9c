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
