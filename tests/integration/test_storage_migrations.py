"""Migrations make exactly the schema that the code expects, once, whoever starts first."""

import re
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import protem.storage.transaction  # noqa: F401  # declares every table
from protem.domain.errors import InvalidError
from protem.domain.grants import LIVE, GrantState
from protem.storage import migrate as migrating
from protem.storage import statements
from protem.storage.connections import connect, prepare_file
from protem.storage.schema import metadata
from protem.storage.triggers import sqlite_triggers


@pytest.fixture
def path(tmp_path):
    """A migrated database."""
    path = tmp_path / "100% 'odd' ?name.db"
    prepare_file(path)
    migrating.migrate(path)
    return path


def stored(connection):
    """What the database says it is made of, spaces aside."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master"
        " WHERE sql IS NOT NULL AND name != 'alembic_version'"
    )
    return {(kind, name): " ".join(sql.split()) for kind, name, sql in rows}


def constraints(text):
    """The parts of a CREATE TABLE in any order."""
    return sorted(text.replace("(", " ( ").replace(")", " ) ").replace(",", " ").split())


def test_migrations_make_exactly_the_schema(path):
    """Tables, constraints, indexes and triggers are those of ``schema`` and ``triggers``."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        for text in sqlite_triggers().values():
            connection.exec_driver_sql(text)
    with engine.connect() as connection:
        wanted = stored(connection.connection.driver_connection)
    engine.dispose()
    database = connect(path)
    found = stored(database)
    database.close()
    assert found.keys() == wanted.keys()
    for key, text in wanted.items():
        assert constraints(found[key]) == constraints(text), key


def test_alembic_sees_no_difference(path):
    """Alembic's own comparison finds nothing to do."""
    database = connect(path)
    engine = sa.create_engine("sqlite://", creator=lambda: database, poolclass=sa.StaticPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    database.close()


def test_head_is_the_newest_step(path):
    """The step that the code expects is the last one in the folder, and the one stored."""
    config = Config()
    config.set_main_option("script_location", migrating._FOLDER.replace("%", "%%"))
    assert ScriptDirectory.from_config(config).get_heads() == [migrating.HEAD]
    database = connect(path)
    assert migrating.current_step(database) == migrating.HEAD
    database.close()


def test_a_newer_database_is_refused(path):
    """A release that is older than the database does not touch it."""
    database = connect(path)
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(InvalidError, match="newer"):
        migrating.migrate(path)


def test_a_failed_migration_leaves_nothing(tmp_path):
    """A step that breaks half-way is undone whole, and the next start does it all."""
    path = tmp_path / "protem.db"
    prepare_file(path)
    database = connect(path)
    database.execute("CREATE TABLE grants (id)")
    database.close()
    with pytest.raises(Exception, match="grants"):
        migrating.migrate(path)
    database = connect(path)
    assert stored(database).keys() == {("table", "grants")}
    database.execute("DROP TABLE grants")
    database.close()
    migrating.migrate(path)


def test_steps_that_make_tables_anew_keep_what_is_there(tmp_path, monkeypatch):
    """The clock's mark, and sessions with their tokens, come through; nothing is left over."""
    path = tmp_path / "protem.db"
    prepare_file(path)
    upgrade = command.upgrade
    with monkeypatch.context() as until_then:
        until_then.setattr(command, "upgrade", lambda config, _: upgrade(config, "0008"))
        migrating.migrate(path)
    before = connect(path)
    before.execute("INSERT INTO clock_marks VALUES (1, 123, 456, 'a-boot')")
    before.execute(
        "INSERT INTO accounts (id, subject, display, kind, disabled)"
        " VALUES ('local|dana', 'dana', '', 'person', 0)"
    )
    before.execute("INSERT INTO tokens VALUES (x'01', 'local|dana', 9, 0)")
    before.execute("INSERT INTO sessions VALUES (x'01', 's', 'oidc', 'protem', 1, 2)")
    before.close()
    migrating.migrate(path)
    after = connect(path)
    marks = after.execute("SELECT boot, moment, since_boot FROM clock_marks").fetchall()
    assert marks == [("a-boot", 123, 456)]
    sessions = after.execute("SELECT * FROM sessions JOIN tokens USING (hash)").fetchall()
    assert sessions == [(b"\x01", "s", "oidc", "protem", 1, 2, "local|dana", 9, 0)]
    assert after.execute("PRAGMA foreign_key_check").fetchall() == []
    after.execute("DELETE FROM tokens")
    assert after.execute("SELECT * FROM sessions").fetchall() == []
    after.close()


def test_many_starters_migrate_once(tmp_path):
    """Processes that open a new database at once all succeed."""
    program = (
        "import asyncio, sys, pathlib\n"
        "from protem.storage.sqlite_store import SqliteStore\n"
        "async def main():\n"
        "    store = await SqliteStore.open(pathlib.Path(sys.argv[1]))\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "protem.db")]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    starters = [
        subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE) for _ in range(4)
    ]
    errors = [starter.communicate(timeout=60)[1] for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 4, errors


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (statements.work_claim(0), "grants_due"),
        (statements.work_claim(2), "grants_due"),
        (statements.WORK_DUE, "grants_due"),
        (statements.WORK_NEXT_FREE, "grants_due"),
        (statements.WORK_LEASED, "grants_leased"),
        (
            statements.grant_list(sorted(LIVE), principal=False, target=True, before=True),
            "grants_open_at",
        ),
        (
            statements.grant_list(
                [GrantState.PENDING], principal=False, target=False, before=False
            ),
            "grants_open",
        ),
        (statements.grant_list([], principal=True, target=False, before=True), "grants_of"),
        (statements.ENTRIES, "PRIMARY KEY"),
    ],
)
def test_what_runs_often_is_an_index_range(path, statement, index):
    """No statement of the hot paths reads a table from end to end or sorts it."""
    database = connect(path)
    names = dict.fromkeys(_parameters(statement), "1")
    steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", names)]
    database.close()
    assert any(index in step for step in steps), steps
    assert not any(step.startswith("SCAN") and "USING" not in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps


def _parameters(statement):
    return set(re.findall(r":(\w+)", statement))


def test_sqlite_has_what_we_use():
    """RETURNING and partial indexes are there."""
    assert sqlite3.sqlite_version_info >= (3, 35, 0)
