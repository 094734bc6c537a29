-- What the dashboard needs besides the views: links that sign somebody in once, and where the samples of
-- a workload are.

CREATE TABLE gateway.sign_in_links (
    hash        bytea       NOT NULL PRIMARY KEY,
    user_name   text        NOT NULL REFERENCES gateway.users (name) ON DELETE CASCADE,
    made        timestamptz NOT NULL DEFAULT now(),
    valid_until timestamptz NOT NULL,
    used        boolean     NOT NULL DEFAULT false
);
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.sign_in_links TO aegis_gateway;

-- `workload` is the end of the subject: cluster, namespace and workload, as they are
-- escaped there. What was recorded before this table was made: `aegis audit rebuild-views`.
CREATE TABLE views.sampled (
    workload text        NOT NULL,
    at       timestamptz NOT NULL,
    idx      bigint      NOT NULL,
    PRIMARY KEY (workload, at, idx)
);
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON views.sampled TO aegis_audit;
GRANT SELECT ON views.sampled TO aegis_gateway;
