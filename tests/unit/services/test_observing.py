"""Observing: what a statement says and closes, and what it must not say."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.audit_events import MOST_LISTED, digest_of_names
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.grants import GrantState
from protem.services import observe_targets
from protem.services.end_grant import end_grant
from protem.services.ends_to_attest import EndsToAttest
from protem.services.observe_targets import observe_target
from protem.services.request_access import request_access

from .conftest import ORDERS_DB, PUBLIC_HALF


async def statements(company):
    """What the log states of targets, oldest first."""
    return [
        entry["data"] for entry in await company.entries() if entry["kind"] == "target.observed"
    ]


async def an_active_grant(company):
    """A grant of Dana's."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    return asked.grant


async def ended(company, grant):
    """End it, and say what is to be attested."""
    await end_grant(company.around, company.dana, grant.id)
    await company.reconciler.run_once()
    over = await company.stored(grant.id)
    assert over.state is GrantState.ENDED
    return {grant.id: over.ended_at}


async def test_a_statement_closes_what_ended_and_names_what_goes_on(company):
    """One grant goes on and explains its privilege; of the ended one nothing is seen."""
    goes_on, over = await an_active_grant(company), await an_active_grant(company)
    ends = await ended(company, over)
    state = await observe_target(company.around, ORDERS_DB, statement=False, ends=ends)
    (said,) = await statements(company)
    assert state.closed == (over.id,)
    assert said["closes"] == [over.id]
    assert said["privileges"] == [goes_on.id.name_at_target]
    assert said["explained_by"] == [goes_on.id]
    assert (said["privilege_count"], said["explained_count"]) == (1, 1)
    assert said["privileges_sha256"] == digest_of_names([goes_on.id.name_at_target])
    assert (said["orphans"], said["orphans_left"], said["orphan_names"]) == (0, 0, [])
    assert said["read_at"]


async def test_without_news_nothing_is_stated(company):
    """A look that closes nothing and finds nothing writes nothing."""
    await an_active_grant(company)
    await observe_target(company.around, ORDERS_DB, statement=False)
    assert await statements(company) == []


async def test_what_is_seen_after_its_end_is_an_orphan_and_not_closed(company):
    """It is named, ended, and left for the next look to close."""
    over = await an_active_grant(company)
    held = company.target.grants[over.id]
    ends = await ended(company, over)
    company.target.grants[over.id] = held  # as if restored from a backup
    state = await observe_target(company.around, ORDERS_DB, statement=False, ends=ends)
    assert (state.closed, state.orphans) == ((), (over.id.name_at_target,))
    await observe_target(company.around, ORDERS_DB, statement=False, ends=ends)
    first, second = await statements(company)
    assert (first["orphans"], first["orphan_names"]) == (1, [over.id.name_at_target])
    assert (first["closes"], second["closes"]) == ([], [over.id])
    assert second["orphans"] == 0


async def test_what_ends_while_the_target_is_read_is_no_orphan_and_not_closed(company):
    """Seen just before its own end: neither an incident nor proof that it is gone."""
    over = await an_active_grant(company)
    ends = {}
    observe = company.connector.observe

    async def then_end():
        seen = await observe()
        company.clock.advance(timedelta(milliseconds=5))
        ends.update(await ended(company, over))
        return seen

    company.connector.observe = then_end
    state = await observe_target(company.around, ORDERS_DB, statement=True, ends=ends)
    assert (state.orphans, state.closed) == ((), ())
    (said,) = await statements(company)
    assert (said["orphans"], said["closes"]) == (0, [])
    assert said["explained_by"] == [over.id]


async def test_what_ended_after_the_look_began_is_not_closed_by_it(company):
    """Even when it was not seen: the look is older than the end."""
    over = await an_active_grant(company)
    ends = await ended(company, over)
    later = {over.id: ends[over.id] + timedelta(microseconds=1)}
    state = await observe_target(company.around, ORDERS_DB, statement=False, ends=later)
    assert state.closed == ()


async def test_long_lists_are_cut_and_the_digest_is_of_all(company):
    """A hundred names at most; count and digest stand for the rest."""
    held = company.target.grants
    first = await an_active_grant(company)
    others = [company.around.randomness.grant_id(company.clock.now()) for _ in range(MOST_LISTED)]
    observe = company.connector.observe

    async def see_many():
        seen = await observe()
        (one,) = seen.privileges
        more = [replace(one, name=other.name_at_target, grant_id=None) for other in others]
        return replace(seen, privileges=(one, *more))

    company.connector.observe = see_many
    await observe_target(company.around, ORDERS_DB, statement=True)
    (said,) = await statements(company)
    names = [first.id.name_at_target, *(other.name_at_target for other in others)]
    assert len(said["privileges"]) == MOST_LISTED
    assert said["privilege_count"] == MOST_LISTED + 1
    assert said["privileges_sha256"] == digest_of_names(names)
    assert list(held) == [first.id]


async def test_a_storm_of_ends_is_closed_by_one_look(company, monkeypatch):
    """Statements of one look share its moment and close everything between them."""
    monkeypatch.setattr(observe_targets, "MOST_CLOSED", 2)
    ends = {}
    for _ in range(5):
        ends |= await ended(company, await an_active_grant(company))
    state = await observe_target(company.around, ORDERS_DB, statement=False, ends=ends)
    said = await statements(company)
    assert [len(one["closes"]) for one in said] == [2, 2, 1]
    assert {grant for one in said for grant in one["closes"]} == set(state.closed) == set(ends)
    assert company.connector.calls.count("observe") == 1


async def test_disorder_is_stated_when_it_comes_and_not_at_every_look(company):
    """A deviation that stays writes one statement, not one for each look."""
    await an_active_grant(company)
    observe = company.connector.observe

    async def deviating():
        seen = await observe()
        (one,) = seen.privileges
        return replace(seen, privileges=(replace(one, deviation="it lost its deadline"),))

    company.connector.observe = deviating
    state = None
    for _ in range(3):
        state = await observe_target(company.around, ORDERS_DB, statement=False, before=state)
    (said,) = await statements(company)
    assert said["deviations"][0][1] == "it lost its deadline"


async def test_an_orphan_that_stays_is_stated_once_and_tried_at_every_look(company):
    """The target refuses: one statement says how many are left, and trying goes on."""
    over = await an_active_grant(company)
    held = company.target.grants[over.id]
    await ended(company, over)
    company.target.grants[over.id] = held
    observe = company.connector.observe

    async def then_refuse():
        seen = await observe()
        company.connector.fail_next(RefusedError("no"))
        return seen

    company.connector.observe = then_refuse
    before = company.connector.calls.count("end")
    state = None
    for _ in range(3):
        state = await observe_target(company.around, ORDERS_DB, statement=False, before=state)
    (said,) = await statements(company)
    assert (said["orphans"], said["orphans_left"]) == (1, 1)
    assert company.connector.calls.count("end") == before + 3


async def test_a_target_that_hangs_is_given_up(company, monkeypatch):
    """The look ends by itself, as an error of the target."""
    monkeypatch.setattr(observe_targets, "LOOK_TIMEOUT", timedelta(milliseconds=20))
    company.connector.hang_next()
    with pytest.raises(RetryLaterError):
        await observe_target(company.around, ORDERS_DB, statement=True)


async def test_the_targets_clock_is_compared(company):
    """Ahead is positive, behind negative, as far as the look can tell."""
    observe = company.connector.observe
    for apart in (timedelta(seconds=9), timedelta(seconds=-9), timedelta(0)):

        async def apart_from_ours(apart=apart):
            seen = await observe()
            return replace(seen, at=seen.at + apart)

        company.connector.observe = apart_from_ours
        state = await observe_target(company.around, ORDERS_DB, statement=False)
        assert state.skew == apart


class TestEndsToAttest:
    """What is remembered between the end and the statement."""

    async def test_after_a_restart_the_log_tells_what_is_unattested(self, company):
        """Closed ones are left out, the other one is found with its moment."""
        closed, left = await an_active_grant(company), await an_active_grant(company)
        ends = await ended(company, closed)
        await observe_target(company.around, ORDERS_DB, statement=False, ends=ends)
        later = await ended(company, left)
        fresh = EndsToAttest()
        await fresh.recall(company.store, company.clock.now())
        assert fresh.take_news(ORDERS_DB) == later

    async def test_what_a_wrong_clock_dated_ahead_can_be_closed_after_it_was_corrected(
        self, company
    ):
        """An end dated in the future counts as ended by the time of the restart."""
        over = await an_active_grant(company)
        await ended(company, over)
        corrected = company.clock.now() - timedelta(days=1)
        fresh = EndsToAttest()
        await fresh.recall(company.store, corrected)
        assert fresh.take_news(ORDERS_DB) == {over.id: corrected}

    async def test_the_log_is_read_once(self, company):
        """A second recall brings back nothing that was attested since."""
        over = await an_active_grant(company)
        await ended(company, over)
        ends = EndsToAttest()
        await ends.recall(company.store, company.clock.now())
        ends.attested(ORDERS_DB, [over.id])
        await ends.recall(company.store, company.clock.now())
        assert (ends.take_news(ORDERS_DB), ends.waiting(ORDERS_DB)) == ({}, 0)

    async def test_entries_of_other_kinds_are_passed_over(self, company):
        """Every entry is JSON with a kind; those without closes are older statements."""
        await an_active_grant(company)
        assert all("kind" in json.loads(json.dumps(entry)) for entry in await company.entries())
        ends = EndsToAttest()
        await ends.recall(company.store, company.clock.now())
        assert ends.waiting(ORDERS_DB) == 0
