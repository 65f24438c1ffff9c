-- What the Characters API's studio has made. A picture is drawn from prompt and model, so its bytes
-- need no row: the same two give the same bytes.

CREATE TABLE agents (
    account             BIGINT  NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    ordinal             BIGINT  NOT NULL,
    id                  TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    appearance_prompt   TEXT    NOT NULL,
    personality_prompt  TEXT    NOT NULL,
    description         TEXT    NOT NULL,
    sd_model            TEXT,                   -- what its avatar is drawn with, if it has one
    PRIMARY KEY (account, ordinal),
    UNIQUE (account, id)
);

CREATE TABLE images (
    account             BIGINT  NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    ordinal             BIGINT  NOT NULL,
    id                  TEXT    NOT NULL,
    prompt              TEXT    NOT NULL,
    sd_model            TEXT    NOT NULL,
    created_at          BIGINT  NOT NULL,
    PRIMARY KEY (account, ordinal),
    UNIQUE (account, id)
);

-- Pictures are found by id alone: their URLs need no key.
CREATE INDEX agents_by_id ON agents (id);
CREATE INDEX images_by_id ON images (id);
CREATE INDEX images_by_age ON images (account, created_at DESC, ordinal DESC);
