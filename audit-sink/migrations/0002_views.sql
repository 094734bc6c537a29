-- What people read. All of it follows from the log and can be made anew from it.
--
-- `position` is stream epoch << 48 | sequence in AEGIS_EVENTS: a redelivery may come after later
-- messages, and what is older never replaces what is newer.

CREATE SCHEMA IF NOT EXISTS views;
GRANT USAGE ON SCHEMA views TO aegis_audit, aegis_gateway;

CREATE TABLE views.incident (
    incident           text        NOT NULL PRIMARY KEY,
    position           bigint      NOT NULL,
    idx                bigint      NOT NULL,
    state              text        NOT NULL,
    cluster            text        NOT NULL,
    namespace          text,
    entity             text        NOT NULL,
    severity           text        NOT NULL,
    kind               text        NOT NULL,
    confidence         integer     NOT NULL,
    opened_at          timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    resolved_at        timestamptz,
    newest_evidence_at timestamptz NOT NULL,
    summary            text        NOT NULL,
    affected           jsonb       NOT NULL,
    evidence           jsonb       NOT NULL,
    causes             jsonb       NOT NULL,
    recommendations    jsonb       NOT NULL
);
CREATE INDEX incident_opened ON views.incident (opened_at DESC);

-- Which entries speak of an incident.
CREATE TABLE views.incident_entry (
    incident text   NOT NULL,
    idx      bigint NOT NULL,
    PRIMARY KEY (incident, idx)
);

CREATE TABLE views.decision (
    decision    text        NOT NULL PRIMARY KEY,
    position    bigint      NOT NULL,
    idx         bigint      NOT NULL,
    decided_at  timestamptz NOT NULL,
    verdict     text        NOT NULL,
    cause       text        NOT NULL,
    incident    text,
    actor       text        NOT NULL,
    action      text,
    description text,
    entity      text,
    target      jsonb,
    parameters  jsonb,
    reasons     jsonb       NOT NULL,
    flip        text,
    would_allow boolean     NOT NULL,
    policy      text        NOT NULL,
    proposal    text,
    expires_at  timestamptz,
    undo_of     text,
    fence       bigint,
    approvals   jsonb       NOT NULL
);
CREATE INDEX decision_incident ON views.decision (incident);
CREATE INDEX decision_cause ON views.decision (cause);
CREATE INDEX decision_proposal ON views.decision (proposal) WHERE proposal IS NOT NULL;
CREATE INDEX decision_idx ON views.decision (idx DESC);

CREATE TABLE views.outcome (
    event      text        NOT NULL PRIMARY KEY,
    decision   text        NOT NULL,
    position   bigint      NOT NULL,
    idx        bigint      NOT NULL,
    at         timestamptz NOT NULL,
    incident   text,
    phase      text        NOT NULL,
    code       text,
    message    text        NOT NULL,
    pre_image  jsonb,
    generation bigint      NOT NULL
);
CREATE INDEX outcome_decision ON views.outcome (decision);

CREATE TABLE views.assessment (
    decision text        NOT NULL PRIMARY KEY,
    position bigint      NOT NULL,
    idx      bigint      NOT NULL,
    at       timestamptz NOT NULL,
    incident text,
    action   text        NOT NULL,
    entity   text        NOT NULL,
    verdict  text        NOT NULL,
    checks   jsonb       NOT NULL,
    after_ms bigint      NOT NULL
);

-- What people answered to an ask.
CREATE TABLE views.answer (
    event    text        NOT NULL PRIMARY KEY,
    proposal text        NOT NULL,
    position bigint      NOT NULL,
    idx      bigint      NOT NULL,
    at       timestamptz NOT NULL,
    answer   text        NOT NULL,
    actor    text        NOT NULL,
    reason   text        NOT NULL
);
CREATE INDEX answer_proposal ON views.answer (proposal);

CREATE TABLE views.access (
    event     text        NOT NULL PRIMARY KEY,
    idx       bigint      NOT NULL,
    at        timestamptz NOT NULL,
    since     timestamptz NOT NULL,
    actor     text,
    outcome   text        NOT NULL,
    operation text        NOT NULL,
    reason    text        NOT NULL,
    address   text        NOT NULL,
    count     bigint      NOT NULL
);
CREATE INDEX access_at ON views.access (at DESC);

CREATE TABLE views.standing (
    source   text        NOT NULL PRIMARY KEY,
    position bigint      NOT NULL,
    idx      bigint      NOT NULL,
    at       timestamptz NOT NULL,
    modes    jsonb       NOT NULL,
    freezes  jsonb       NOT NULL,
    halted   jsonb       NOT NULL,
    policy   text        NOT NULL
);

-- Entries and bytes by hour of stream time.
CREATE TABLE views.statistics (
    hour    timestamptz NOT NULL,
    stream  text        NOT NULL,
    kind    text        NOT NULL,
    entries bigint      NOT NULL,
    bytes   bigint      NOT NULL,
    PRIMARY KEY (hour, stream, kind)
);

-- The newest time of AEGIS_EVENTS: what an ask expires by.
CREATE TABLE views.clock (
    stream text        NOT NULL PRIMARY KEY,
    at     timestamptz NOT NULL
);

-- An ask and what became of it. Only an answer before it expires counts, and the first one.
CREATE VIEW views.approval AS
SELECT d.decision, d.proposal, d.idx, d.incident, d.action, d.description, d.entity, d.target,
       d.parameters, d.reasons, d.policy, d.decided_at AS asked_at, d.expires_at,
       CASE WHEN a.answer IS NOT NULL THEN a.answer
            WHEN c.at > d.expires_at THEN 'expired'
            ELSE 'open' END AS state,
       a.actor AS answered_by, a.reason AS answer_reason, a.at AS answered_at, a.event AS answer_event,
       r.decision AS result_decision, r.verdict AS result
FROM views.decision d
LEFT JOIN LATERAL (
    SELECT * FROM views.answer a
    WHERE a.proposal = d.proposal AND a.position > d.position AND a.at <= d.expires_at
    ORDER BY a.position LIMIT 1
) a ON true
LEFT JOIN LATERAL (
    SELECT * FROM views.decision r WHERE r.cause = a.event ORDER BY r.position LIMIT 1
) r ON true
LEFT JOIN views.clock c ON c.stream = 'AEGIS_EVENTS'
WHERE d.verdict = 'ask';

-- An allowed act and what became of it. A second delivery is refused as a replay, so an applied
-- outcome counts before any other.
CREATE VIEW views.act AS
SELECT d.decision, d.idx, d.incident, d.actor, d.action, d.description, d.entity, d.target,
       d.parameters, d.undo_of, d.decided_at, d.reasons, d.approvals,
       coalesce(s.verdict, o.phase, 'allowed') AS state,
       o.phase AS outcome, o.code AS outcome_code, o.message AS outcome_message, o.at AS outcome_at,
       o.idx AS outcome_idx, o.pre_image, o.generation,
       s.verdict AS assessment, s.checks, s.at AS assessed_at, s.idx AS assessment_idx, s.after_ms
FROM views.decision d
LEFT JOIN LATERAL (
    SELECT * FROM views.outcome o WHERE o.decision = d.decision
    ORDER BY (o.phase = 'applied') DESC, o.position LIMIT 1
) o ON true
LEFT JOIN views.assessment s ON s.decision = d.decision
WHERE d.verdict = 'allow';

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA views TO aegis_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA views TO aegis_gateway;
