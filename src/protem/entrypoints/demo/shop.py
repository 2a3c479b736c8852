"""The demo's shop: its database, and the settings file that declares it.

Here: what an administrator would do once: make the database, run the set-up SQL that Protem ships,
write ``protem.toml``. Not here: processes (stage) and the story.
"""

from __future__ import annotations

import secrets
from importlib import resources
from pathlib import Path

from protem.bootstrap.postgresql_setup import set_up_postgresql
from protem.domain.secret import Secret
from protem.testing.postgresql_server import PostgresqlServer

DATABASE = "shop"
PEOPLE = ("dana", "omar")
"""Dana is an engineer on call; Omar owns the database. The settings below say so."""
SETTINGS = """\
[server]
listen = "127.0.0.1:{port}"
state_dir = "{folder}/state"

[audit]
origin = "demo.protem.example"

[policy]
folder = "{folder}/policy"

[limits]
observe_every = "2s"

[identity.local.users.dana]
groups = ["engineers", "on-call"]

[identity.local.users.omar]
groups = ["db-owners"]

[targets.orders-db]
scheme = "postgresql"
labels = {{ env = "prod", service = "shop", owner = "db-owners" }}
host = "127.0.0.1"
port = {database_port}
dbname = "shop"
sslmode = "disable"
administrator = {{ user = "protem_admin", password = {{ file = "{folder}/administrator" }} }}
planner = {{ user = "protem_planner", password = {{ file = "{folder}/planner" }} }}

[[targets.orders-db.tags]]
name = "pii"
columns = [
  "shop.customers.name", "shop.customers.email", "shop.customers.phone",
  "shop.customers.born_on", "shop.payments.card_number",
]

[targets.orders-db.profiles.orders-read]
privileges = [
  {{ kind = "database", path = ["shop"], action = "CONNECT" }},
  {{ kind = "schema", path = ["shop"], action = "USAGE" }},
  {{ kind = "table", path = ["shop", "orders"], action = "SELECT" }},
  {{ kind = "table", path = ["shop", "order_items"], action = "SELECT" }},
  {{ kind = "table", path = ["shop", "products"], action = "SELECT" }},
]
"""
