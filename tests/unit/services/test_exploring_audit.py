"""Looking around in the audit log."""

from datetime import timedelta

import pytest

from protem.domain.audit_events import SYSTEM, AuditEvent
from protem.domain.errors import NotFoundError
from protem.domain.identifiers import GrantId, TargetName
from protem.services import explore_audit as module
from protem.services.explore_audit import EntryFilter, explore_audit, view_entry
from protem.services.request_access import request_access

from .conftest import PUBLIC_HALF


def indexes(page):
    """Where the entries of a page stand."""
    return [entry.index for entry in page.entries]


@pytest.fixture
async def log(company):
    """Entries 0 to 29, one a minute: two actors in turns, each third about a target."""

    def work(transaction):
        for number in range(30):
            transaction.audit.append(
                AuditEvent(
                    kind="grant.ended" if number % 2 else "grants.other",
                    at=company.clock.now() + timedelta(minutes=number),
                    actor="local|a" if number % 2 else "local|b",
                    target=TargetName("orders-db") if number % 3 == 0 else None,
                    data={"quotes": '"actor":"local|a" "kind":"grant.ended"'},
                )
            )

    await company.store.write(work)
    return company


async def test_pages_are_newest_first_and_without_gaps_or_repeats(log):
    """Following ``next`` shows every entry once."""
    seen, before = [], None
    while True:
        page = await explore_audit(log.around, EntryFilter(limit=7, before=before))
        seen += indexes(page)
        assert page.size == 30
        if page.next is None:
            break
        before = page.next
    assert seen == list(range(29, -1, -1))


async def test_filters_hold_together_and_read_fields_not_text(log):
    """What an entry quotes in its data is not who did it; a family is not another's beginning."""
    assert indexes(await explore_audit(log.around, EntryFilter(actor="local|a"))) == list(
        range(29, 0, -2)
    )
    both = EntryFilter(actor="local|b", target=TargetName("orders-db"))
    assert indexes(await explore_audit(log.around, both)) == [24, 18, 12, 6, 0]
    family = await explore_audit(log.around, EntryFilter(kind="grant"))
    assert {entry.event["kind"] for entry in family.entries} == {"grant.ended"}
    assert indexes(await explore_audit(log.around, EntryFilter(kind="gran"))) == []


async def test_times_bound_what_is_shown_on_both_sides(log):
    """From and to are inclusive, however late an entry stands in the log."""
    start = log.clock.now()
    wanted = EntryFilter(since=start + timedelta(minutes=10), until=start + timedelta(minutes=12))
    assert indexes(await explore_audit(log.around, wanted)) == [12, 11, 10]


async def test_a_grant_is_found_among_all(company):
    """Every entry of one grant, and none of another."""
    one = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    page = await explore_audit(company.around, EntryFilter(grant=one.grant.id))
    assert [entry.event["kind"] for entry in page.entries] == [
        "grant.activated",
        "request.allowed",
        "request.created",
    ]
    assert {entry.event["grant"] for entry in page.entries} == {one.grant.id}
    nobody = EntryFilter(grant=GrantId("0" * 26))
    assert indexes(await explore_audit(company.around, nobody)) == []


async def test_one_call_looks_at_a_bounded_number(log, monkeypatch):
    """A page may be empty while more follow, and says where to go on."""
    monkeypatch.setattr(module, "MOST_LOOKED_AT", 10)
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    wanted = EntryFilter(actor=SYSTEM)
    page = await explore_audit(log.around, wanted)
    assert (indexes(page), page.next, page.looked_at) == ([], 18, 12)
    found = []
    before = None
    for _ in range(4):
        page = await explore_audit(log.around, EntryFilter(kind="grants.other", before=before))
        found += indexes(page)
        before = page.next
        if before is None:
            break
    assert found == list(range(28, -1, -2))


async def test_one_entry_is_the_bytes_that_are_hashed(log):
    """Exactly what the store holds; beyond the end there is none."""
    entry = await view_entry(log.around, 3)
    (row,) = await log.store.read(lambda view: view.audit.entries(start=3, limit=1))
    assert (entry.index, entry.body) == (3, row.body)
    with pytest.raises(NotFoundError):
        await view_entry(log.around, 30)
