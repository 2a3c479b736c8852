"""Offline: statements of targets against the ends that the log says happened."""

from datetime import UTC, datetime, timedelta

import pytest

from protem.audit import log_files
from protem.audit.entry_rules import broken_rules
from protem.domain.audit_events import AuditEvent, clock_trusted, target_observed
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.observations import MarkedPrivilege, Observation, TargetStatement

START = datetime(2026, 1, 1, tzinfo=UTC)
HERE, ELSEWHERE = TargetName("orders-db"), TargetName("other-db")
FIRST, SECOND = GrantId("01arz3ndektsv4rrffq69g5fav"), GrantId("01arz3ndektsv4rrffq69g5faw")


def end(grant, at):
    """The entry of a grant's end."""
    return AuditEvent(
        kind="grant.ended", at=START + timedelta(seconds=at), actor="protem", grant_id=grant,
        sequence=1, target=HERE,
    )  # fmt: skip


def stated(at, *seen, closes=(), orphans=(), target=HERE):
    """A statement of a look that began then."""
    began = START + timedelta(seconds=at)
    privileges = tuple(
        MarkedPrivilege(name=one.name_at_target, grant_id=one, expires_at=began, usable=True)
        for one in seen
    )
    return target_observed(
        target,
        TargetStatement(
            began_at=began,
            observation=Observation(at=began, privileges=privileges),
            orphans=tuple(one.name_at_target for one in orphans),
            closes=tuple(closes),
        ),
    )


def changed(event, **data):
    """The event with other data, None for absent: as an older or a lying server would write it."""
    merged = {**event.data, **data}
    fields = {name: getattr(event, name) for name in ("kind", "at", "actor", "target")}
    return AuditEvent(**fields, data={k: v for k, v in merged.items() if v is not None})


def read(tmp_path, *events):
    """What the rules find and note in a log of these entries."""
    text = b"".join(event.canonical_bytes() + b"\n" for event in events)
    (tmp_path / log_files.ENTRIES).write_bytes(text)
    findings, notes = broken_rules(tmp_path, len(events))
    return [found.detail for found in findings], notes


def test_an_end_that_a_later_statement_closes_is_in_order(tmp_path):
    """No finding and no note."""
    assert read(tmp_path, end(FIRST, 1), stated(2, SECOND, closes=[FIRST])) == ([], [])


def test_a_whole_statement_without_it_attests_an_end_too(tmp_path):
    """As the first look after a crash does, which knows of no end in particular."""
    assert read(tmp_path, end(FIRST, 1), stated(2, SECOND)) == ([], [])


@pytest.mark.parametrize(
    "later",
    [(), (stated(2, target=ELSEWHERE),), (stated(0),)],
    ids=["nothing", "another target's", "a look that began before"],
)
def test_an_end_without_a_statement_is_noted_and_not_wrong(tmp_path, later):
    """The next look may be a second away, or the log stopped."""
    findings, notes = read(tmp_path, end(FIRST, 1), *later)
    assert findings == []
    assert notes == [f"ended, and not stated of their target yet: 1 grants: {FIRST}"]


def test_a_cut_list_attests_only_what_it_closes(tmp_path):
    """With more names than are listed, absence from the list proves nothing."""
    cut = changed(stated(2, SECOND), privilege_count=200)
    _, notes = read(tmp_path, end(FIRST, 1), cut)
    assert len(notes) == 1
    closing = changed(stated(2, SECOND, closes=[FIRST]), privilege_count=200)
    assert read(tmp_path, end(FIRST, 1), closing) == ([], [])


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (stated(2, FIRST), "as explained, whose grant had ended"),
        (stated(2, FIRST, closes=[FIRST], orphans=[FIRST]), "and names its privilege"),
        (stated(2, closes=[SECOND]), "which had not ended"),
        (changed(stated(2, SECOND), privileges_sha256="00" * 32), "digest"),
        (changed(stated(2), privileges=7), "not a statement"),
    ],
)
def test_a_statement_that_contradicts_is_wrong(tmp_path, statement, words):
    """What it names, closes and counts must fit what the log says before."""
    findings, _ = read(tmp_path, end(FIRST, 1), statement)
    assert len(findings) == 1
    assert findings[0].startswith("entry 1: ")
    assert words in findings[0]


def test_what_ended_while_it_was_read_is_no_contradiction(tmp_path):
    """The look began before the end."""
    findings, _ = read(tmp_path, end(FIRST, 3), stated(2, FIRST))
    assert findings == []


def test_an_orphan_that_is_called_one_is_no_contradiction(tmp_path):
    """An incident, told; the end counts as stated only after a look without it."""
    told = stated(2, FIRST, orphans=[FIRST])
    findings, notes = read(tmp_path, end(FIRST, 1), told)
    assert (findings, len(notes)) == ([], 1)
    assert read(tmp_path, end(FIRST, 1), told, stated(3, closes=[FIRST])) == ([], [])


def test_statements_of_older_servers_are_still_valid(tmp_path):
    """They name everything, have no digest and close nothing by name."""
    since = (
        "privilege_count", "privileges_sha256", "explained_by", "explained_count", "orphan_names",
        "orphans_left", "strays", "closes",
    )  # fmt: skip
    older = dict.fromkeys(since)
    assert read(tmp_path, end(FIRST, 1), changed(stated(2, SECOND), **older)) == ([], [])
    assert read(tmp_path, end(FIRST, 1), changed(stated(2, FIRST), **older))[0] == []


def test_a_clock_that_a_person_set_right_makes_no_contradiction_and_no_gap(tmp_path):
    """What ended at a time that was ahead by mistake is closed by looks after the correction."""
    trusted = clock_trusted("root", START + timedelta(days=9), START + timedelta(seconds=5))
    ended = end(FIRST, 9 * 86_400)
    assert read(tmp_path, ended, trusted, stated(6, closes=[FIRST])) == ([], [])
    assert len(read(tmp_path, ended, trusted, stated(6, FIRST))[0]) == 1
