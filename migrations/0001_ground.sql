-- Accounts and what they have said. Everything hangs on an account; rows are found by
-- (account, …), and an id may exist once in every account.
-- Times are Unix seconds. An ordinal is how many of its kind the account had made.

CREATE TABLE accounts (
    account         BIGINT  NOT NULL PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    balance         BIGINT  NOT NULL CHECK (balance >= 0)  -- whole millionths of a credit
);

-- How many of each kind an account has made: ids go on from here after a restart.
CREATE TABLE counters (
    account         BIGINT  NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    kind            TEXT    NOT NULL,
    made            BIGINT  NOT NULL,
    PRIMARY KEY (account, kind)
);

CREATE TABLE conversations (
    account         BIGINT  NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    ordinal         BIGINT  NOT NULL,
    id              TEXT    NOT NULL,
    api             TEXT    NOT NULL CHECK (api IN ('runner', 'characters')),
    target          TEXT    NOT NULL,           -- who answers: a deployment's or an LLM's id
    name            TEXT    NOT NULL,
    meta            TEXT    NOT NULL,           -- a flat JSON object
    variables       TEXT    NOT NULL,           -- a JSON object
    system_prompt   TEXT    NOT NULL,
    agent           TEXT,                       -- an agent's id
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    activity        BIGINT  NOT NULL,           -- puts changes of one second in order
    message_count   BIGINT  NOT NULL,
    PRIMARY KEY (account, ordinal),
    UNIQUE (account, id)
);

CREATE INDEX conversations_by_activity
    ON conversations (account, api, updated_at DESC, activity DESC);
CREATE INDEX conversations_by_target
    ON conversations (account, api, target, updated_at DESC, activity DESC);

-- One row a label, for filters: the value as its text.
CREATE TABLE conversation_meta (
    account         BIGINT  NOT NULL,
    name            TEXT    NOT NULL,
    value           TEXT    NOT NULL,
    conversation    BIGINT  NOT NULL,
    PRIMARY KEY (account, name, value, conversation),
    FOREIGN KEY (account, conversation) REFERENCES conversations (account, ordinal) ON DELETE CASCADE
);

CREATE INDEX conversation_meta_by_conversation ON conversation_meta (account, conversation);

-- How many Runner conversations an account has in all, of each deployment, and with each label, so
-- that a page can tell the total without counting rows.
CREATE TABLE conversation_tallies (
    account         BIGINT  NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    scope           TEXT    NOT NULL,           -- 'all', 'deployment' or 'meta'
    name            TEXT    NOT NULL,           -- the deployment's id, the label's name
    value           TEXT    NOT NULL,           -- the label's value
    total           BIGINT  NOT NULL,
    PRIMARY KEY (account, scope, name, value)
);

CREATE TABLE messages (
    account         BIGINT  NOT NULL,
    conversation    BIGINT  NOT NULL,
    position        BIGINT  NOT NULL,           -- 0, 1, 2 … without a gap
    id              TEXT    NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
    parts           TEXT    NOT NULL,           -- a JSON array of content parts
    image           TEXT,                       -- an image's id, for a message that is one
    created_at      BIGINT  NOT NULL,
    aborted         BOOLEAN NOT NULL,
    PRIMARY KEY (account, conversation, position),
    FOREIGN KEY (account, conversation) REFERENCES conversations (account, ordinal) ON DELETE CASCADE
);
