-- Run by an administrator before the migrations, as often as one likes.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'aegis_owner') THEN
        CREATE ROLE aegis_owner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'aegis_audit') THEN
        CREATE ROLE aegis_audit LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'aegis_gateway') THEN
        CREATE ROLE aegis_gateway LOGIN;
    END IF;
    -- Not SUPERUSER ones to begin with; said again in case somebody meant well.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname IN ('aegis_audit', 'aegis_gateway')
               AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
        RAISE EXCEPTION 'aegis_audit or aegis_gateway has rights of an administrator';
    END IF;
    IF NOT pg_has_role(current_user, 'aegis_owner', 'MEMBER') THEN
        EXECUTE format('GRANT aegis_owner TO %I', current_user);
    END IF;
END $$;
