"""What every store promises of links that answer; part of ``store_contract``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protem.domain.answer_links import AnswerLink
from protem.domain.errors import ConflictError, NotFoundError
from protem.ports.store import Store
from protem.testing.store_samples import ANNA, BEN, MINUTE, START, grant_id, pending, revision

FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))


def link(of: int = 1) -> AnswerLink:
    """Return a link of Ben's to the first revision of a request."""
    return AnswerLink(
        person=BEN,
        grant_id=grant_id(of),
        revision=1,
        digest=revision(of=of).digest,
        channel="owners",
        expires_at=START + 10 * MINUTE,
    )


async def _with_requests(store: Store, *numbers: int) -> None:
    for number in numbers:
        await store.write(lambda tx, n=number: tx.grants.add(pending(n)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        await store.write(lambda tx, n=number: tx.requests.add(revision(of=n)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default


class StoreAnswerLinkContract:
    """Links by the hash of their token."""

    async def test_a_link_comes_back_whole_and_looking_keeps_it(self, store: Store) -> None:
        """However often somebody looks."""
        await _with_requests(store, 1)
        await store.write(lambda tx: tx.answer_links.add(FIRST, link()))
        for _ in range(2):
            assert await store.read(lambda tx: tx.answer_links.find(FIRST)) == link()
        with pytest.raises(NotFoundError):
            await store.read(lambda tx: tx.answer_links.find(SECOND))

    async def test_a_link_is_to_a_revision_that_is_stored(self, store: Store) -> None:
        """And its hash is kept once."""
        await _with_requests(store, 1)
        await store.write(lambda tx: tx.answer_links.add(FIRST, link()))
        for token_hash, other in ((FIRST, link()), (SECOND, replace(link(), revision=2))):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, h=token_hash, o=other: tx.answer_links.add(h, o))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    async def test_all_links_of_a_person_to_a_request_go_together(self, store: Store) -> None:
        """Those of others, and to other requests, stay."""
        await _with_requests(store, 1, 2)
        theirs = replace(link(), person=ANNA)
        links = {FIRST: link(), SECOND: link(), THIRD: theirs, b"\x04" * 32: link(2)}
        for token_hash, one in links.items():
            await store.write(lambda tx, h=token_hash, o=one: tx.answer_links.add(h, o))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert await store.write(lambda tx: tx.answer_links.drop_of(BEN, grant_id(1))) == 2
        for gone in (FIRST, SECOND):
            with pytest.raises(NotFoundError):
                await store.read(lambda tx, h=gone: tx.answer_links.find(h))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert await store.read(lambda tx: tx.answer_links.find(THIRD)) == theirs
        assert await store.write(lambda tx: tx.answer_links.drop_of(BEN, grant_id(1))) == 0

    async def test_expired_links_are_forgotten(self, store: Store) -> None:
        """At their end, not before."""
        await _with_requests(store, 1)
        await store.write(lambda tx: tx.answer_links.add(FIRST, link()))
        later = replace(link(), expires_at=START + 11 * MINUTE)
        await store.write(lambda tx: tx.answer_links.add(SECOND, later))
        forget = START + 10 * MINUTE
        assert await store.write(lambda tx: tx.answer_links.forget_before(forget)) == 1
        assert await store.read(lambda tx: tx.answer_links.find(SECOND)) == later
