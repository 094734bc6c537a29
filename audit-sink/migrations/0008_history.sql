-- What the list of incidents was at any moment, and what each of them rests on. What was recorded before
-- these tables were made: `aegis audit rebuild-views`.

-- Each time something was said of an incident, in what a list shows; the rest stands in the entry.
CREATE TABLE views.incident_said (
    incident           text        NOT NULL,
    position           bigint      NOT NULL,
    idx                bigint      NOT NULL,
    updated_at         timestamptz NOT NULL,
    state              text        NOT NULL,
    entity             text        NOT NULL,
    severity           text        NOT NULL,
    kind               text        NOT NULL,
    confidence         integer     NOT NULL,
    opened_at          timestamptz NOT NULL,
    newest_evidence_at timestamptz NOT NULL,
    summary            text        NOT NULL,
    PRIMARY KEY (incident, position)
);
CREATE INDEX incident_said_idx ON views.incident_said (idx);
-- Whether the same was over not long ago.
CREATE INDEX incident_said_over ON views.incident_said (entity, kind, updated_at) WHERE state = 'resolved';

-- Each event that an incident was said to rest on, when it was seen, and the entry that named it first.
CREATE TABLE views.incident_evidence (
    incident text        NOT NULL,
    event    text        NOT NULL,
    at       timestamptz NOT NULL,
    idx      bigint      NOT NULL,
    PRIMARY KEY (incident, event)
);

-- Those that were not over at a moment, and those that are not: without it each incident ever opened is looked at.
CREATE INDEX incident_resolved ON views.incident (resolved_at);

-- The incidents as they were last said by then; with `only_open` those that were over then are not looked at.
CREATE FUNCTION views.incidents_at(moment timestamptz, only_open boolean DEFAULT false) RETURNS TABLE (
    incident text, idx bigint, state text, entity text, severity text, kind text, confidence integer,
    opened_at timestamptz, updated_at timestamptz, resolved_at timestamptz, newest_evidence_at timestamptz,
    summary text)
LANGUAGE sql STABLE AS $$
    SELECT i.incident, s.idx, s.state, s.entity, s.severity, s.kind, s.confidence, s.opened_at, s.updated_at,
      CASE WHEN s.state = 'resolved' THEN s.updated_at END, s.newest_evidence_at, s.summary
    FROM views.incident i JOIN LATERAL (
      SELECT * FROM views.incident_said w WHERE w.incident = i.incident AND w.updated_at <= moment
      ORDER BY w.position DESC LIMIT 1) s ON true
    -- When it was opened never changes. When it was over is of what was said last: whether it was open at the
    -- moment if it was over and came back since, the row of then tells.
    WHERE i.opened_at <= moment AND (NOT only_open OR i.resolved_at IS NULL OR i.resolved_at > moment)
$$;
REVOKE ALL ON FUNCTION views.incidents_at(timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION views.incidents_at(timestamptz, boolean) TO aegis_gateway;

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON views.incident_said, views.incident_evidence TO aegis_audit;
GRANT SELECT ON views.incident_said, views.incident_evidence TO aegis_gateway;
