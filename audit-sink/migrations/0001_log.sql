-- The log: what is written once and never again.
--
-- `aegis_owner` owns everything and nobody signs in as it; `aegis_audit` adds to the log and keeps the
-- views; `aegis_gateway` reads both and writes only its own schema. Triggers refuse changes even to the
-- owner. All of this prevents, it proves nothing: the proof is the Merkle tree.

CREATE SCHEMA IF NOT EXISTS audit;
GRANT USAGE ON SCHEMA audit TO aegis_audit, aegis_gateway;

-- Nanoseconds since the epoch as a time that people read; the leaf keeps the nanoseconds.
CREATE FUNCTION audit.instant(nanos bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN timestamptz 'epoch' + (nanos / 1000) * interval '1 microsecond';

CREATE TABLE audit.audit_entry (
    idx          bigint      NOT NULL PRIMARY KEY,
    event_id     text,
    stream       text        NOT NULL,
    stream_epoch integer     NOT NULL,
    stream_seq   bigint      NOT NULL,
    stream_time  timestamptz NOT NULL,
    kind         text        NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    leaf         bytea       NOT NULL,
    leaf_hash    bytea       NOT NULL CHECK (octet_length(leaf_hash) = 32)
) PARTITION BY RANGE (idx);

-- `aegis provision` asks for all commands.
CREATE INDEX audit_entry_command ON audit.audit_entry (idx) WHERE kind = 'aegis.command.v1';

COMMENT ON COLUMN audit.audit_entry.recorded_at IS
    'the only column that the leaf does not commit to: the clock of the database';

-- Not partitioned, so that a position is unique in the whole log. An event id is not: a stream that
-- kept two copies of an event is recorded as it is.
CREATE TABLE audit.audit_key (
    stream       text    NOT NULL,
    stream_epoch integer NOT NULL,
    stream_seq   bigint  NOT NULL,
    event_id     text,
    idx          bigint  NOT NULL UNIQUE,
    leaf_hash    bytea   NOT NULL,
    PRIMARY KEY (stream, stream_epoch, stream_seq)
);
CREATE INDEX audit_key_event ON audit.audit_key (event_id);

-- Bodies behind a commitment: the only rows that may go, by `audit.erase_payloads`.
CREATE TABLE audit.audit_payload (
    idx     bigint NOT NULL PRIMARY KEY,
    salt    bytea  NOT NULL,
    payload bytea  NOT NULL
);

-- A tile is the rows of its level and number, in the order of width: each adds the hashes that came
-- with one batch, so nothing is ever written over.
CREATE TABLE audit.audit_tile (
    level  smallint NOT NULL,
    n      bigint   NOT NULL,
    width  smallint NOT NULL,
    hashes bytea    NOT NULL,
    PRIMARY KEY (level, n, width)
);

-- What could not be taken as it is. An entry of the log stands for it all the same, except for
-- `position conflict`: there the position was taken by other bytes, and these are the bytes.
CREATE TABLE audit.audit_quarantine (
    stream       text        NOT NULL,
    stream_epoch integer     NOT NULL,
    stream_seq   bigint      NOT NULL,
    leaf_hash    bytea       NOT NULL,
    reason       text        NOT NULL,
    idx          bigint,
    leaf         bytea,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, stream_epoch, stream_seq, leaf_hash)
);

CREATE TABLE audit.audit_checkpoint (
    size        bigint      NOT NULL PRIMARY KEY,
    root        bytea       NOT NULL,
    note        text        NOT NULL,
    cosigs      text[]      NOT NULL DEFAULT '{}',
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit.audit_head (
    one   boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    size  bigint  NOT NULL,
    root  bytea   NOT NULL,
    epoch bigint  NOT NULL
);
-- The root of a tree without leaves is the SHA-256 of nothing.
INSERT INTO audit.audit_head (size, root, epoch) VALUES
    (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0);

CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION audit.refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'the audit log never shrinks' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit_entry', 'audit_key', 'audit_tile', 'audit_quarantine', 'audit_checkpoint'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit.%I
            FOR EACH ROW EXECUTE FUNCTION audit.refuse()', name);
        EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.%I
            FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()', name);
        EXECUTE format('GRANT SELECT, INSERT ON audit.%I TO aegis_audit', name);
        EXECUTE format('GRANT SELECT ON audit.%I TO aegis_gateway', name);
    END LOOP;
END $$;

CREATE TRIGGER append_only BEFORE UPDATE ON audit.audit_payload
    FOR EACH ROW EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.audit_payload
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
GRANT SELECT, INSERT ON audit.audit_payload TO aegis_audit;
GRANT SELECT ON audit.audit_payload TO aegis_gateway;

CREATE TRIGGER never_shrinks BEFORE UPDATE ON audit.audit_head
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_shrinking();
CREATE TRIGGER append_only BEFORE DELETE ON audit.audit_head
    FOR EACH ROW EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
GRANT SELECT, UPDATE (size, root, epoch) ON audit.audit_head TO aegis_audit;
GRANT SELECT ON audit.audit_head TO aegis_gateway;

-- Makes the partitions that hold every idx below `until`; answers where the last one ends.
CREATE FUNCTION audit.ensure_partitions(until bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, audit AS $$
DECLARE
    step constant bigint := 1000000;
    low bigint := 0;
    name text;
BEGIN
    SELECT coalesce(max(substring(c.relname FROM 'audit_entry_([0-9]+)$')::bigint + 1), 0) * step INTO low
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit.audit_entry'::regclass;
    WHILE low < until LOOP
        name := format('audit_entry_%s', lpad((low / step)::text, 6, '0'));
        EXECUTE format('CREATE TABLE audit.%I PARTITION OF audit.audit_entry FOR VALUES FROM (%s) TO (%s)',
            name, low, low + step);
        -- TRUNCATE and a trigger for each statement are not inherited from the parent.
        EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.%I
            FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()', name);
        low := low + step;
    END LOOP;
    RETURN low;
END $$;
REVOKE ALL ON FUNCTION audit.ensure_partitions(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.ensure_partitions(bigint) TO aegis_audit;

-- Retention of raw metrics: the leaf stays and still proves when and whence, not what.
CREATE FUNCTION audit.erase_payloads(before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, audit AS $$
DECLARE
    erased bigint;
BEGIN
    DELETE FROM audit.audit_payload p USING audit.audit_entry e
        WHERE e.idx = p.idx AND e.stream_time < before;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;
REVOKE ALL ON FUNCTION audit.erase_payloads(timestamptz) FROM PUBLIC;

SELECT audit.ensure_partitions(1);
