-- A small shop with personal data, and one of everything that PostgreSQL checks in its own way.
-- Names are hostile on purpose. Made by an administrator; nobody else holds anything on it.
create schema shop;
create schema types;
create schema "a ""b"" schéma";

create function shop.new_code() returns text language sql volatile as $$ select md5(random()::text) $$;
create function shop.is_mail(text) returns boolean language plpgsql immutable as
  $$ begin return $1 like '%@%'; end $$;
create function shop.double(numeric) returns numeric language sql immutable as $$ select $1 * 2 $$;
create function shop.tidy(text) returns text language plpgsql as $$ begin return trim($1); end $$;
create function shop.greet(a integer, b text default shop.tidy(' b '), c text default 'c')
  returns text language sql as $$ select b || c $$;
create function shop.total_of(integer) returns numeric language plpgsql security definer as
  $$ begin return 1; end $$;
create function shop.twice(integer) returns setof integer language sql as $$ values ($1), ($1) $$;
create aggregate shop.product(factor numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1');
create function shop.same(numeric, numeric) returns boolean language sql immutable as $$ select $1 = $2 $$;
create operator shop.=== (function = shop.same, leftarg = numeric, rightarg = numeric);
create function shop.set_note() returns trigger language plpgsql as $$ begin return new; end $$;

create type types.mood as enum ('fine', 'cross');
create domain types.mail as text check (shop.is_mail(value));

create table shop.customers (
  id serial primary key,
  name text not null,
  email types.mail,
  born date,
  mood types.mood default 'fine',
  code text default shop.new_code());
create table shop.orders (
  id bigint generated always as identity primary key,
  customer integer references shop.customers,
  status text default 'new',
  total numeric default 0 check (shop.double(total) >= 0),
  doubled numeric generated always as (shop.double(total)) stored,
  note text);
create index on shop.orders (shop.double(total));
create table shop.plain (secret text, a integer primary key, b integer);
create table shop.empty_columns ();
create table shop.events (id integer, region text, what text default shop.new_code())
  partition by list (region);
create table shop.events_eu partition of shop.events for values in ('eu');
create table shop.parent (id integer, what text);
create table shop.child (more text) inherits (shop.parent);
create table shop.noted (id integer, note text);
create trigger note before insert or update on shop.noted
  for each row execute function shop.set_note();
create table shop.guarded (id integer, owner text);
alter table shop.guarded enable row level security;
create policy mine on shop.guarded using (true);
create table shop.fenced (id integer, owner text);
alter table shop.fenced enable row level security;
create policy readers on shop.fenced for select
  using (shop.is_mail(owner) and exists (select from shop.plain where b > 0));
create policy writers on shop.fenced for insert with check (shop.double(id) > 0);
create sequence shop.tickets;
create unlogged table shop.with_sequence (n bigint default nextval('shop.tickets'), what text);
create materialized view shop.summary as select status, count(*) as n from shop.orders group by 1;

create view shop.open_orders as
  select id, customer, status, total from shop.orders where status <> 'done';
create view shop.with_call as select id, shop.tidy(note) as note from shop.orders;
create view shop.nested as select id, note from shop.with_call;
create view shop.names as select id, name from shop.customers;
create view shop.instead as select id, note from shop.noted;
create trigger instead instead of insert on shop.instead
  for each row execute function shop.set_note();

create table "a ""b"" schéma"."t; drop table x --" (
  "col ""1""" integer primary key,
  "new
line" text,
  "‮bidi" text,
  "sixty-three bytes sixty-three bytes sixty-three bytes sixty-thr" text,
  "((((((((((((((((((((((((((((((" text);
create view "a ""b"" schéma"."vïew" as select "new
line" as "as :relid 1 }" from "a ""b"" schéma"."t; drop table x --";

insert into shop.customers (name, email, born)
  select 'Customer ' || n, 'c' || n || '@example.org', date '1990-01-01' + n
  from generate_series(1, 5) n;
insert into shop.orders (customer, total) select n, n * 10 from generate_series(1, 5) n;
insert into shop.plain values ('s', 1, 2);
insert into shop.events values (1, 'eu');
insert into shop.parent values (1, 'x');
insert into shop.child values (2, 'y', 'z');
insert into shop.noted values (1, 'x');
insert into "a ""b"" schéma"."t; drop table x --" values (1, 'x', 'y', 'z', '(');

revoke all on all functions in schema shop from public;
