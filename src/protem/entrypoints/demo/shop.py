"""The demo's shop: its database, and the settings file that declares it.

Here: what an administrator would do once: make the database, run the set-up SQL that Protem ships,
write ``protem.toml``. Not here: processes (stage) and the story.
"""

from __future__ import annotations

import secrets
import subprocess
from importlib import resources
from pathlib import Path

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
_SET_UP = """\
\\set ON_ERROR_STOP on
CREATE DATABASE shop;
\\connect shop
\\i {shop}
\\set administrator protem_admin
\\set database shop
\\set schemas {{shop}}
\\i {administrator_sql}
ALTER ROLE protem_admin PASSWORD '{administrator}';
\\set planner protem_planner
\\set password {planner}
\\i {planner_sql}
"""


def create_shop(database: PostgresqlServer, folder: Path) -> None:
    """Make and fill the database, and the two roles that Protem works with.

    Their passwords are left in private files ``administrator`` and ``planner`` of ``folder``.

    Raises:
        RuntimeError: when psql reports an error.
    """
    passwords = {name: secrets.token_hex(24) for name in ("administrator", "planner")}
    for name, password in passwords.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(password)
    script = _SET_UP.format(
        shop=resources.files("protem.entrypoints.demo") / "shop.sql",
        administrator_sql=resources.files("protem.connectors.postgresql") / "set_up.sql",
        planner_sql=resources.files("protem.planners.postgresql") / "set_up.sql",
        **passwords,
    )
    done = subprocess.run(  # the psql that came with the server
        [str(database.binaries / "psql"), "-q", "-X", "-d", database.dsn()],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the shop could not be set up: {done.stderr.strip()}")


def write_settings(folder: Path, database: PostgresqlServer, port: int) -> Path:
    """Write ``protem.toml`` and the policy folder; return the settings file."""
    policy = folder / "policy"
    policy.mkdir()
    rules = resources.files("protem.entrypoints.demo") / "policy" / "shop.cedar"
    (policy / "shop.cedar").write_text(rules.read_text())
    path = folder / "protem.toml"
    path.write_text(SETTINGS.format(folder=folder, port=port, database_port=database.port))
    return path
