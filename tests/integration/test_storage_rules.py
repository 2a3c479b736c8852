"""The database refuses by itself what the life cycle forbids, whoever writes the SQL."""

import re
import sqlite3
from datetime import timedelta

import pytest

from protem.domain.grants import EDGES, LIVE, TERMINAL, GrantState
from protem.storage.connections import connect, prepare_file
from protem.storage.grant_rows import to_row
from protem.storage.migrate import migrate
from protem.storage.request_rows import from_approval, from_revision
from protem.storage.triggers import edge_condition
from protem.testing.store_samples import ANNA, BEN, approval, life, pending, revision

MICROSECONDS_A_DAY = 86_400_000_000


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A migrated database without rows."""
    path = tmp_path_factory.mktemp("storage") / "protem.db"
    prepare_file(path)
    migrate(path)
    connection = connect(path)
    yield connection
    connection.close()


@pytest.fixture
def database(empty):
    """The database, left empty again."""
    empty.execute("BEGIN")
    yield empty
    empty.execute("ROLLBACK")


def insert(database, table, row, verb="INSERT"):
    """Insert one row as an attacker would."""
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join(f":{name}" for name in row)
    database.execute(f"{verb} INTO {table} ({names}) VALUES ({marks})", row)


def bring(database, state):
    """Lead a grant to ``state`` by raw SQL, along the edges; return its row."""
    versions = life()[state]
    insert(database, "grants", to_row(versions[0]))
    for grant in versions[1:]:
        force(database, to_row(grant))
    return to_row(versions[-1])


def force(database, row, verb="UPDATE"):
    """Write a whole row over the grant of the same id."""
    changes = ", ".join(f'"{name}" = :{name}' for name in row)
    database.execute(f"{verb} grants SET {changes} WHERE id = :id", row)


def pairs():
    """Every pair of states."""
    return [(before, after) for before in GrantState for after in GrantState]


@pytest.mark.parametrize(("before", "after"), pairs())
def test_only_edges_pass(database, before, after):
    """Each of the hundred pairs of states passes exactly when the life cycle has it."""
    row = bring(database, before)
    goal = to_row(life()[after][-1]) | {"version": row["version"] + 1}
    if row["expires_at"] is not None and goal["expires_at"] is not None:
        goal |= {"expires_at": row["expires_at"]}
    if after in EDGES[before] or (after is before and before not in TERMINAL):
        force(database, goal)
        return
    for verb in ("UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"):
        with pytest.raises(sqlite3.IntegrityError):
            force(database, goal, verb)


def test_the_triggers_edges_are_the_domains():
    """The stored trigger holds the very edges of ``EDGES``."""
    found = re.findall(r"WHEN '(\w+)' THEN \(([^)]*)\)", edge_condition())
    parsed = {
        GrantState(before): {GrantState(state) for state in re.findall(r"'(\w+)'", after)}
        - {before}
        for before, after in found
    }
    assert parsed == {before: set(after) for before, after in EDGES.items() if after}


@pytest.mark.parametrize("step", [-1, 0, 2, None])
def test_version_rises_by_one(database, step):
    """A version that is skipped, repeated, lowered or absent is refused."""
    row = bring(database, GrantState.PENDING)
    version = None if step is None else row["version"] + step
    with pytest.raises(sqlite3.IntegrityError):
        database.execute("UPDATE grants SET version = ?", (version,))


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_terminal_rows_never_change(database, state):
    """A grant that is over keeps every column but its lease."""
    row = bring(database, state)
    for column in row:
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(f'UPDATE grants SET "{column}" = "{column}", version = version + 1')
    database.execute("UPDATE grants SET lease_owner = 'a', lease_until = 1")
    database.execute("UPDATE grants SET lease_owner = NULL, lease_until = NULL")


@pytest.mark.parametrize("state", list(GrantState))
def test_grants_are_never_deleted_or_replaced(database, state):
    """No state lets a grant's row go, and no insert writes over one."""
    bring(database, state)
    with pytest.raises(sqlite3.IntegrityError):
        database.execute("DELETE FROM grants")
    for verb in ("INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"):
        with pytest.raises(sqlite3.IntegrityError):
            insert(database, "grants", to_row(pending()), verb)


@pytest.mark.parametrize("state", [state for state in GrantState if state != "pending"])
def test_grants_begin_pending(database, state):
    """No row can be inserted in the middle of a life."""
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, "grants", to_row(life()[state][-1]) | {"version": 1})


@pytest.mark.parametrize("state", sorted(LIVE))
@pytest.mark.parametrize("value", [None, "never", "", 9e999, -1, 0, 2**62])
def test_expiry_is_a_moment_within_bounds(database, state, value):
    """No live grant has an absent, textual, infinite, early or far expiry."""
    bring(database, state)
    with pytest.raises(sqlite3.IntegrityError):
        database.execute("UPDATE grants SET version = version + 1, expires_at = ?", (value,))


@pytest.mark.parametrize("length", [0, -1, 30 * MICROSECONDS_A_DAY + 1])
def test_a_grant_lasts_more_than_nothing_and_at_most_thirty_days(database, length):
    """The bounds hold at activation."""
    bring(database, GrantState.APPROVED)
    row = to_row(life()[GrantState.PROVISIONING][-1])
    with pytest.raises(sqlite3.IntegrityError):
        force(database, row | {"expires_at": row["activated_at"] + length})
    force(database, row | {"expires_at": row["activated_at"] + 30 * MICROSECONDS_A_DAY})


@pytest.mark.parametrize("state", sorted(LIVE))
def test_expiry_moves_only_by_extension(database, state):
    """Earlier never; later only while active, to active."""
    row = bring(database, state)
    later = row | {"version": row["version"] + 1, "expires_at": row["expires_at"] + 1}
    earlier = later | {"expires_at": row["expires_at"] - 1}
    with pytest.raises(sqlite3.IntegrityError):
        force(database, earlier)
    if state is GrantState.ACTIVE:
        force(database, later)
    else:
        with pytest.raises(sqlite3.IntegrityError):
            force(database, later)


@pytest.mark.parametrize("column", ["id", "principal", "target", "requested_at", "activated_at"])
def test_what_a_grant_is_never_changes(database, column):
    """Owner, target and start are fixed."""
    bring(database, GrantState.ACTIVE)
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(f"UPDATE grants SET version = version + 1, {column} = {column} || '1'")


@pytest.mark.parametrize(
    "change",
    [
        {"state": "frozen"},
        {"state": ""},
        {"due_at": None},
        {"ended_at": 1},
        {"duration": 0},
        {"attempts": -1},
        {"lease_owner": "a"},
        {"last_error": None},
    ],
)
def test_rows_make_sense(database, change):
    """A column that contradicts the state is refused."""
    bring(database, GrantState.ACTIVE)
    changes = ", ".join(f"{name} = :{name}" for name in change)
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(f"UPDATE grants SET version = version + 1, {changes}", change)


def test_revisions_never_change(database):
    """A revision is not updated, deleted or replaced, and belongs to a grant."""
    bring(database, GrantState.PENDING)
    row = from_revision(revision())
    insert(database, "request_revisions", row)
    for attack in (
        "UPDATE request_revisions SET content = ''",
        "UPDATE OR REPLACE request_revisions SET person = 'x|y'",
        "DELETE FROM request_revisions",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(attack)
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, "request_revisions", row | {"content": "{}"}, "INSERT OR REPLACE")
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, "request_revisions", row | {"grant_id": "nobody's"})


def test_approvals_bind(database):
    """A verdict names the stored digest, another person, and is one per person and for good."""
    bring(database, GrantState.PENDING)
    asked = revision()
    insert(database, "request_revisions", from_revision(asked))
    row = from_approval(approval(asked))
    for wrong in (
        {"digest": "sha256:" + "0" * 64},
        {"revision": 2},
        {"reviewer": str(ANNA)},
        {"person": str(ANNA)},
        {"verdict": "maybe"},
    ):
        with pytest.raises(sqlite3.IntegrityError):
            insert(database, "approvals", row | wrong)
    insert(database, "approvals", row)
    for again in ({}, {"reviewer": "local|bens-agent"}, {"person": "local|carl"}):
        for verb in ("INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"):
            with pytest.raises(sqlite3.IntegrityError):
                insert(database, "approvals", row | again, verb)
    for attack in ("UPDATE approvals SET verdict = 'deny'", "DELETE FROM approvals"):
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(attack)
    assert row["person"] == str(BEN)


@pytest.mark.parametrize("position", [-1, 0, 1, 3, None])
@pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"])
def test_the_log_only_grows_without_gaps(database, position, verb):
    """After entries 0 and 1 only entry 2 can come, and none goes or changes."""
    for number in range(2):
        insert(database, "audit_entries", {"position": number, "body": b"{}"})
    with pytest.raises(sqlite3.IntegrityError):
        insert(database, "audit_entries", {"position": position, "body": b"x"}, verb)
    for attack in (
        "UPDATE audit_entries SET body = x'00'",
        "UPDATE OR REPLACE audit_entries SET position = 0 WHERE position = 1",
        "DELETE FROM audit_entries WHERE position = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(attack)
    insert(database, "audit_entries", {"position": 2, "body": b"{}"})


def test_a_day_is_a_day():
    """The bound in the schema is the domain's."""
    assert timedelta(days=1) // timedelta(microseconds=1) == MICROSECONDS_A_DAY
