-- How somebody comes in besides with a password, and what was answered to repeated writes. Of secrets
-- only hashes are kept.

-- No version wrote to it: it could not say whose a key is.
DROP TABLE gateway.api_keys;

CREATE TABLE gateway.api_keys (
    id        text        NOT NULL PRIMARY KEY,
    hash      bytea       NOT NULL,
    owner     text        NOT NULL REFERENCES gateway.users (name) ON DELETE CASCADE,
    label     text        NOT NULL,
    scopes    text[]      NOT NULL,
    created   timestamptz NOT NULL DEFAULT now(),
    expires   timestamptz NOT NULL,
    last_used timestamptz,
    revoked   boolean     NOT NULL DEFAULT false
);
CREATE INDEX api_keys_owner ON gateway.api_keys (owner);

CREATE TABLE gateway.invitations (
    id         text        NOT NULL PRIMARY KEY,
    hash       bytea       NOT NULL UNIQUE,
    user_name  text        NOT NULL,
    roles      text[]      NOT NULL,
    invited_by text        NOT NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    expires    timestamptz NOT NULL,
    accepted   timestamptz,
    revoked    boolean     NOT NULL DEFAULT false
);

-- By principal and idempotency key; no status while the request is under way, no body if it had a secret.
CREATE TABLE gateway.answers (
    principal text        NOT NULL,
    key       text        NOT NULL,
    print     bytea       NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    status    integer,
    body      bytea,
    PRIMARY KEY (principal, key)
);
CREATE INDEX answers_at ON gateway.answers (at);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA gateway TO aegis_gateway;
