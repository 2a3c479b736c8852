-- Makes the administrator role of one PostgreSQL database. Run it as a superuser, with psql connected
-- to that database, once; running it again is harmless:
--
--   psql -v administrator=protem_admin -v database=shop -v schemas='{shop,public}' -f set_up.sql
--   \password protem_admin
--
-- What the role may do, and so what a stolen administrator credential may do:
--  * make, change and remove roles. From PostgreSQL 16 on only those it made itself; before that every
--    role but superusers, which is close to being one: prefer 16 or later;
--  * end sessions of roles that are not superusers (pg_signal_backend, for the whole cluster);
--  * pass on exactly the rights granted below. This is the ceiling of every grant: narrow it to taste.
-- It cannot read others' statements in pg_stat_activity and owns nothing.

SELECT format('CREATE ROLE %I LOGIN CREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS',
              :'administrator')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'administrator') \gexec

GRANT pg_signal_backend TO :"administrator";
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO :"administrator" WITH GRANT OPTION;

SELECT format(statement, name, :'administrator')
FROM unnest(:'schemas'::text[]) AS name, unnest(ARRAY[
    'GRANT USAGE ON SCHEMA %I TO %I WITH GRANT OPTION',
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I WITH GRANT OPTION',
    'GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA %I TO %I WITH GRANT OPTION',
    'GRANT EXECUTE ON ALL ROUTINES IN SCHEMA %I TO %I WITH GRANT OPTION'
]) AS statement \gexec

-- Tables made later: run this file again, or let each owner say for its own new objects
--   ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA shop
--     GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO protem_admin WITH GRANT OPTION;
