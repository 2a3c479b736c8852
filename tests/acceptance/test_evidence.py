"""Evidence end to end: from the command line through policy and a real database to the proof."""

import json

import pytest
from tests.acceptance.test_closed_loop import protem

from protem.entrypoints.demo.stage import built

LINK = "https://alerts.example/d/7"
FIX = "update shop.orders set status = 'new' where id <= 3"
RULE = """
@id("writes-show-rows") @additional @evidence("dry_run explain")
permit (principal, action == Protem::Action::"request", resource) when { context.writes };
"""
ASK = ("run", "--on", "orders-db", "--why", "a test", "--ticket", "INC-1", "--no-wait")


@pytest.fixture(scope="module")
def stage():
    """A whole control plane whose policy wants to see what a write would touch."""
    with built() as found:
        folder = next(found.folder.rglob("*.cedar")).parent
        (folder / "evidence.cedar").write_text(RULE)
        found.server.stop()
        found.server.start()
        yield found


def test_an_approver_reads_what_a_write_would_touch(stage):
    """Counted by the database, shown in the terminal, under the digest, proved offline."""
    done = protem(stage, "dana", *ASK, "--evidence", LINK, "--", "psql", "-c", FIX)
    assert done.returncode == 5, done.stderr
    grant_id = done.stdout.strip()
    shown = protem(stage, "omar", "request", "show", grant_id).stdout
    assert "Would touch 3 rows of shop.orders (dry run, rolled back, " in shown
    assert "EXPLAIN expects" in shown
    assert f"  {LINK}\n" in shown
    found = json.loads(protem(stage, "omar", "request", "show", grant_id, "-o", "json").stdout)
    said = [one["kind"] for one in found["request"]["request"]["evidence"]["exhibits"]]
    assert said == ["dry_run", "explain"]
    key = ("--key", stage.audit_key.read_text().strip())
    verified = protem(stage, "dana", "audit", "verify", str(stage.audit_folder), *key, "--rules")
    assert verified.returncode == 0, verified.stderr + verified.stdout


def test_a_write_that_cannot_be_tried_is_denied_with_the_reason(stage):
    """Two statements have no count; the refusal says what to ask instead."""
    done = protem(stage, "dana", *ASK, "--", "psql", "-c", FIX, "-c", FIX)
    assert done.returncode == 3
    assert "ask for that alone" in done.stderr


def test_a_plan_names_the_evidence_and_a_hostile_link_is_refused(stage):
    """A plan says what will be asked of the target; no link but https goes anywhere."""
    ask = ("--on", "orders-db", "--why", "x", "--ticket", "y", "--", "psql", "-c", FIX)
    assert "a dry run of the statement" in protem(stage, "dana", "plan", *ask).stdout
    done = protem(stage, "dana", *ASK, "--evidence", "javascript:alert(1)", "--", "psql", "-c", FIX)
    assert done.returncode not in (0, 5)
    assert "https" in done.stderr
