-- What stands in the cluster: workloads, and the pods that belong to them. Each statement of all objects
-- fills it, so nothing needs to be made anew; and it sweeps it, so it grows with the cluster and not with time.

CREATE TABLE views.object (
    entity   text        NOT NULL PRIMARY KEY,
    position bigint      NOT NULL,
    idx      bigint      NOT NULL,
    at       timestamptz NOT NULL,
    cluster  text        NOT NULL,
    -- The workload of a pod.
    owner    text,
    -- Null once it is gone.
    state    jsonb
-- Each statement of all objects says every row again: room for that beside the row.
) WITH (fillfactor = 70);
CREATE INDEX object_owner ON views.object (owner) WHERE owner IS NOT NULL;

-- Where statements of all objects began, and that they ended.
CREATE TABLE views.object_sync (
    cluster  text   NOT NULL,
    round    text   NOT NULL,
    phase    text   NOT NULL,
    position bigint NOT NULL,
    idx      bigint NOT NULL,
    PRIMARY KEY (cluster, round, phase, position)
);

-- Where the last whole statement began. What was said before it and not again is gone, and nothing that
-- comes late from before it counts.
CREATE FUNCTION views.object_floor(whose text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(b.position), 0) FROM views.object_sync b
    JOIN views.object_sync e ON e.cluster = b.cluster AND e.round = b.round AND e.phase = 'end'
      AND e.position > b.position
    WHERE b.cluster = whose AND b.phase = 'begin'
$$;
REVOKE ALL ON FUNCTION views.object_floor(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION views.object_floor(text) TO aegis_audit;

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON views.object, views.object_sync TO aegis_audit;
GRANT SELECT ON views.object, views.object_sync TO aegis_gateway;
