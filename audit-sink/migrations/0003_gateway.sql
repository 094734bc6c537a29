-- The gateway's own: who may sign in. No secret is stored, only hashes of them.

CREATE SCHEMA IF NOT EXISTS gateway;
GRANT USAGE ON SCHEMA gateway TO aegis_gateway;

CREATE TABLE gateway.users (
    name          text        NOT NULL PRIMARY KEY,
    password_hash text        NOT NULL,
    roles         text[]      NOT NULL,
    created       timestamptz NOT NULL DEFAULT now(),
    disabled      boolean     NOT NULL DEFAULT false
);

CREATE TABLE gateway.refresh_tokens (
    hash        bytea       NOT NULL PRIMARY KEY,
    family      text        NOT NULL,
    user_name   text        NOT NULL REFERENCES gateway.users (name) ON DELETE CASCADE,
    issued      timestamptz NOT NULL DEFAULT now(),
    idle_until  timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    used        boolean     NOT NULL DEFAULT false,
    revoked     boolean     NOT NULL DEFAULT false
);
CREATE INDEX refresh_tokens_family ON gateway.refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON gateway.refresh_tokens (user_name);

CREATE TABLE gateway.api_keys (
    id      text        NOT NULL PRIMARY KEY,
    hash    bytea       NOT NULL,
    scopes  text[]      NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL,
    revoked boolean     NOT NULL DEFAULT false
);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA gateway TO aegis_gateway;
