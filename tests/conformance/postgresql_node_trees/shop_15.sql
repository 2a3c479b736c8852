-- What exists from PostgreSQL 15 on.
create view shop.invoker with (security_invoker = true) as
  select o.id, c.name from shop.orders o join shop.customers c on c.id = o.customer;
create view shop.over_invoker as select id, name from shop.invoker;
create view shop.invoker_orders with (security_invoker = true) as
  select id as number, customer, note from shop.orders where status <> 'done';
