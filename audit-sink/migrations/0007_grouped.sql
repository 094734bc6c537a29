-- Why each affected entity belongs to its incident. Null where an older audit-sink wrote the row.
ALTER TABLE views.incident ADD COLUMN grouped jsonb;
-- How bad an incident is without what a person merged in, if that is less: what policy judges acts by.
ALTER TABLE views.incident ADD COLUMN own_severity text;
