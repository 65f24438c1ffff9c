-- Agent runs. Each row is an answer of the model in a run and is never changed: what happens next is a
-- further row. The status of a run is that of its latest step.

CREATE TABLE run_steps (
    account         BIGINT  NOT NULL,
    conversation    BIGINT  NOT NULL,
    run             BIGINT  NOT NULL,           -- the number of the run in its conversation, from 1
    step            BIGINT  NOT NULL,           -- the number of the step in its run, from 0
    run_id          TEXT    NOT NULL,
    state           TEXT    NOT NULL,           -- a JSON object: the step
    PRIMARY KEY (account, conversation, run, step),
    FOREIGN KEY (account, conversation) REFERENCES conversations (account, ordinal) ON DELETE CASCADE
);
CREATE INDEX runs_by_id ON run_steps (account, run_id) WHERE step = 0;

-- Calls of the client's tools, as histories show them.
CREATE TABLE tool_calls (
    account         BIGINT  NOT NULL,
    conversation    BIGINT  NOT NULL,
    messages        BIGINT  NOT NULL,           -- how many messages the conversation had before the call
    ordinal         BIGINT  NOT NULL,           -- how many calls the account had made, this one included
    id              TEXT    NOT NULL,
    run             BIGINT  NOT NULL,
    step            BIGINT  NOT NULL,           -- the step that made the call
    name            TEXT    NOT NULL,
    arguments       TEXT    NOT NULL,           -- a JSON object
    created_at      BIGINT  NOT NULL,           -- Unix microseconds
    expires_at      BIGINT,                     -- when its run expires, in Unix microseconds
    PRIMARY KEY (account, conversation, messages, ordinal),
    UNIQUE (account, id),
    FOREIGN KEY (account, conversation) REFERENCES conversations (account, ordinal) ON DELETE CASCADE
);

-- The results of calls, shortened.
CREATE TABLE tool_results (
    account         BIGINT  NOT NULL,
    conversation    BIGINT  NOT NULL,
    call            TEXT    NOT NULL,           -- the call's id
    summary         TEXT    NOT NULL,
    PRIMARY KEY (account, conversation, call),
    FOREIGN KEY (account, conversation) REFERENCES conversations (account, ordinal) ON DELETE CASCADE
);

ALTER TABLE conversations ADD COLUMN run_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN completed_at BIGINT;   -- Unix microseconds; NULL until a run ends it
