-- Triggers of the Runner API: what an assistant is to start from. Times are Unix microseconds.

CREATE TABLE triggers (
    account         BIGINT  NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    ordinal         BIGINT  NOT NULL,
    id              TEXT    NOT NULL,
    deployment      TEXT    NOT NULL,
    content         TEXT    NOT NULL,           -- a JSON array of content parts
    variables       TEXT    NOT NULL,           -- a JSON object, or null
    ui_surface      TEXT,
    created_at      BIGINT  NOT NULL,
    expires_at      BIGINT,                     -- NULL for never
    conversation    TEXT,                       -- the id of the latest conversation started from it
    workflow_log    BIGINT,                     -- the number of the latest run started from it
    PRIMARY KEY (account, ordinal),
    UNIQUE (account, id)
);

-- How many triggers an account has, and the bytes of their texts. More is refused by the CHECKs.
CREATE TABLE trigger_tallies (
    account         BIGINT  NOT NULL PRIMARY KEY REFERENCES accounts (account) ON DELETE CASCADE,
    total           BIGINT  NOT NULL CHECK (total <= 10000),
    bytes           BIGINT  NOT NULL CHECK (bytes <= 67108864)
);
