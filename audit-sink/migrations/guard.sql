-- Run by an administrator after the migrations: the services' roles change no definitions. Only a
-- superuser may make an event trigger; elsewhere the grants alone refuse.
CREATE OR REPLACE FUNCTION audit.refuse_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user IN ('aegis_audit', 'aegis_gateway') THEN
        RAISE EXCEPTION 'role % may not run %', current_user, tg_tag
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'aegis_refuse_ddl') THEN
        CREATE EVENT TRIGGER aegis_refuse_ddl ON ddl_command_start EXECUTE FUNCTION audit.refuse_ddl();
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'no event trigger without a superuser';
END $$;
