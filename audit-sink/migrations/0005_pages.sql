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

-- What every page and every listener asks.
CREATE INDEX audit_entry_kind ON audit.audit_entry (kind, idx);
CREATE INDEX incident_idx ON views.incident (idx);
CREATE INDEX incident_open ON views.incident (opened_at) WHERE state = 'open';
CREATE INDEX incident_entry_idx ON views.incident_entry (idx);
CREATE INDEX decision_at ON views.decision (decided_at);
CREATE INDEX decision_allowed ON views.decision (idx DESC) WHERE verdict = 'allow';
CREATE INDEX decision_asked ON views.decision (expires_at) WHERE verdict = 'ask';
CREATE INDEX decision_undo ON views.decision (undo_of) WHERE undo_of IS NOT NULL;
CREATE INDEX outcome_idx ON views.outcome (idx);
CREATE INDEX assessment_idx ON views.assessment (idx);
CREATE INDEX answer_idx ON views.answer (idx);
CREATE INDEX refresh_tokens_over ON gateway.refresh_tokens (valid_until);
