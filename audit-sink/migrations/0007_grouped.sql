-- Why each affected entity belongs to its incident. Null where an older audit-sink wrote the row.
ALTER TABLE views.incident ADD COLUMN grouped jsonb;
