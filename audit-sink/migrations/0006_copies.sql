-- How far the copies of the log are: no part of the record, and nothing is proved from it.
CREATE TABLE audit.copy (
    target text   NOT NULL PRIMARY KEY,
    -- Every entry below is there.
    next   bigint NOT NULL
);

COMMENT ON TABLE audit.copy IS
    'where a copy of the log goes on; set back, it sends again what is there already, which does no harm';

GRANT SELECT, INSERT, UPDATE ON audit.copy TO aegis_audit;
GRANT SELECT ON audit.copy TO aegis_gateway;
