"""When a target is looked at: soon after an end, never too often, whatever goes wrong."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from protem.bootstrap import target_observer
from protem.bootstrap.target_observer import TargetObserver
from protem.domain.errors import RetryLaterError
from protem.services.end_grant import end_grant
from protem.services.ends_to_attest import EndsToAttest
from protem.services.request_access import request_access

from .conftest import ORDERS_DB, PUBLIC_HALF, eventually, settle


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Tests need not wait a second."""
    monkeypatch.setattr(target_observer, "LEAST_PAUSE_SECONDS", 0.05)


@asynccontextmanager
async def observing(company, failures=None):
    """An observer at work that looks of itself once an hour."""
    ends = EndsToAttest()
    observer = TargetObserver(
        around=company.around,
        target=ORDERS_DB,
        ends=ends,
        observe_every=timedelta(hours=1),
        statement_every=timedelta(hours=1),
        works=lambda: None,
        failed=([] if failures is None else failures).append,
    )
    running = asyncio.create_task(observer.run())
    try:
        yield observer, ends
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def looks(company):
    """How many looks there were."""
    return company.connector.calls.count("observe")


async def end_one(company, ends):
    """Make and end a grant, and tell of it as the reconciler does."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    await end_grant(company.around, company.dana, asked.grant.id)
    await company.reconciler.run_once()
    company.clock.advance(timedelta(milliseconds=1))
    ends.note(await company.stored(asked.grant.id))
    return asked.grant.id


async def closed(company):
    """Every grant that the log's statements close."""
    return [
        grant
        for entry in await company.entries()
        if entry["kind"] == "target.observed"
        for grant in entry["data"]["closes"]
    ]


async def test_an_end_wakes_the_observer_and_its_statement_closes_it(company):
    """Long before the period is over."""
    async with observing(company) as (_, ends):
        await eventually(lambda: looks(company) == 1)
        grant = await end_one(company, ends)
        await eventually(lambda: looks(company) == 2)
        await eventually(lambda: ends.waiting(ORDERS_DB) == 0)
        assert await closed(company) == [grant]


async def test_many_ends_share_a_look(company):
    """Thirty ends within a pause cost one look, at most two."""
    async with observing(company) as (_, ends):
        await eventually(lambda: looks(company) == 1)
        grants = [await end_one(company, ends) for _ in range(30)]
        before = looks(company)
        await eventually(lambda: ends.waiting(ORDERS_DB) == 0)
        assert looks(company) - before <= 2
        assert sorted(await closed(company)) == sorted(grants)


async def test_a_slow_target_is_not_looked_at_all_the_time(company):
    """With an end every moment, a tenth of the time goes into looking, and no more."""
    observe = company.connector.observe
    spent = []

    async def slowly():
        began = time.monotonic()
        await asyncio.sleep(0.03)
        seen = await observe()
        spent.append(time.monotonic() - began)
        return seen

    company.connector.observe = slowly
    began = time.monotonic()
    async with observing(company) as (_, ends):
        while len(spent) < 4:
            ends.look_again(ORDERS_DB)
            await asyncio.sleep(0.005)
        passed = time.monotonic() - began
    assert sum(spent[:-1]) <= passed / 9


async def test_an_orphan_that_was_ended_is_soon_shown_to_be_gone(company):
    """The statement after it says orphans 0 and closes the grant."""
    async with observing(company) as (observer, ends):
        await eventually(lambda: looks(company) == 1)
        grant = await end_one(company, ends)
        await eventually(lambda: ends.waiting(ORDERS_DB) == 0)
        asked = await request_access(
            company.around, company.dana, company.ask("orders"), PUBLIC_HALF
        )
        await company.reconciler.run_once()
        held = company.target.grants[asked.grant.id]
        await end_grant(company.around, company.dana, asked.grant.id)
        await company.reconciler.run_once()
        company.target.grants[asked.grant.id] = held  # as if restored from a backup
        company.clock.advance(timedelta(seconds=1))
        ends.note(await company.stored(asked.grant.id))
        await eventually(lambda: ends.waiting(ORDERS_DB) == 0)
        assert observer.last.orphans_ended == 1
        assert await closed(company) == [grant, asked.grant.id]
        orphans = [
            entry["data"]["orphans"]
            for entry in await company.entries()
            if entry["kind"] == "target.observed"
        ]
        assert orphans[-2:] == [1, 0]


async def test_a_target_that_fails_is_not_hurried(company):
    """News does not wake an observer whose last look failed; the period does."""
    failures = []
    company.connector.fail_next(RetryLaterError("away"))
    async with observing(company, failures) as (observer, ends):
        await eventually(lambda: len(failures) == 1)
        assert observer.last.reachable is False
        ends.look_again(ORDERS_DB)
        await asyncio.sleep(0.15)
        await settle()
        assert looks(company) == 1
