-- The planner's role: it may log in and look names up, and holds nothing on any table.
--
-- Run it with psql as a superuser, or as a role that may create roles and owns the schemas, in each
-- database that is to be planned for:
--
--     psql -d DATABASE -v planner=protem_planner -v password=SCRAM-VERIFIER-OR-PASSWORD -f set_up.sql
--
-- It can be run again: after a schema was added, or to change the password.

\set ON_ERROR_STOP on

select pg_catalog.format('create role %I', :'planner')
where not exists (select from pg_catalog.pg_roles where rolname = :'planner') \gexec

alter role :"planner" with login nosuperuser nocreatedb nocreaterole noinherit noreplication
  nobypassrls connection limit 20 password :'password';
alter role :"planner" set default_transaction_read_only = on;

-- Analysing prints the statement at level LOG. This keeps it out of the server's own log; only a
-- superuser, or from 15 on a role with SET on the parameter, may say so. Without it planning works
-- all the same, and every plan carries the finding statement_in_server_log.
\set ON_ERROR_STOP off
alter role :"planner" set log_min_messages = 'fatal';
\set ON_ERROR_STOP on

select pg_catalog.format('grant connect on database %I to %I',
                         pg_catalog.current_database(), :'planner') \gexec
select pg_catalog.format('grant usage on schema %I to %I', nspname, :'planner')
from pg_catalog.pg_namespace
where nspname !~ '^pg_' and nspname <> 'information_schema' \gexec
