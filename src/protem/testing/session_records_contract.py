"""What every store promises of sessions and spent proofs; part of ``store_contract``."""

from __future__ import annotations

from datetime import datetime

import pytest

from protem.domain.errors import ConflictError, NotFoundError, UnauthenticatedError
from protem.domain.principals import Principal, PrincipalId
from protem.domain.sign_in_sessions import SignInMethod, SignInSession, session_id
from protem.ports.store import Account, Store
from protem.testing.store_samples import ANNA, BEN, MINUTE, START

FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))


def session_of(
    token_hash: bytes, owner: PrincipalId = ANNA, *, began_at: datetime = START
) -> SignInSession:
    """Return a session of an hour."""
    return SignInSession(
        id=session_id(token_hash),
        owner=owner,
        method=SignInMethod.OIDC,
        client="protem/1",
        began_at=began_at,
        used_at=began_at,
        expires_at=began_at + 60 * MINUTE,
    )


async def _with_sessions(store: Store) -> None:
    """Sign Anna in twice and Ben once."""
    for owner in (ANNA, BEN):
        account = Account(principal=Principal(id=owner, display=""))
        await store.write(lambda tx, account=account: tx.accounts.put(account))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    await store.write(lambda tx: tx.sessions.add(FIRST, session_of(FIRST)))
    later = session_of(SECOND, began_at=START + MINUTE)
    await store.write(lambda tx: tx.sessions.add(SECOND, later))
    await store.write(lambda tx: tx.sessions.add(THIRD, session_of(THIRD, BEN)))


class StoreSessionContract:
    """Sessions and spent proofs."""

    async def test_a_session_is_a_token_with_facts(self, store: Store) -> None:
        """It proves its owner like any token, and its facts come back whole, newest first."""
        await _with_sessions(store)
        proved = await store.read(
            lambda tx: tx.accounts.owner_of(FIRST, now=START, single_use=False)
        )
        assert proved == ANNA
        assert await store.read(lambda tx: tx.sessions.find(FIRST)) == session_of(FIRST)
        assert await store.read(lambda tx: tx.sessions.find(b"\x09" * 32)) is None
        found = await store.read(lambda tx: tx.sessions.of(ANNA))
        assert [session.id for session in found] == [session_id(SECOND), session_id(FIRST)]

    async def test_a_session_needs_an_account_and_a_new_token(self, store: Store) -> None:
        """Neither a stranger's nor a known token becomes a session."""
        await _with_sessions(store)
        stranger = PrincipalId(issuer="https://elsewhere", subject="x")
        for token_hash, owner in ((FIRST, ANNA), (b"\x08" * 32, stranger)):
            session = session_of(token_hash, owner)
            with pytest.raises(ConflictError):
                await store.write(lambda tx, h=token_hash, s=session: tx.sessions.add(h, s))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    async def test_a_mark_leads_to_those_who_signed_in_with_it(self, store: Store) -> None:
        """Each once, for as long as one of their sessions with it is there."""
        await _with_sessions(store)
        fourth, fifth, mark, other = (bytes([number]) * 32 for number in (4, 5, 6, 7))

        async def marked(found: bytes) -> list[PrincipalId]:
            return list(await store.read(lambda tx: tx.sessions.marked(found)))

        await store.write(lambda tx: tx.sessions.add(fourth, session_of(fourth), {mark, other}))
        await store.write(lambda tx: tx.sessions.add(fifth, session_of(fifth), {mark}))
        assert await marked(mark) == [ANNA]
        kept = await store.read(lambda tx: tx.sessions.marks(fourth))
        assert set(kept) == {mark, other}
        assert not await store.read(lambda tx: tx.sessions.marks(FIRST))
        assert await marked(FIRST) == []
        await store.write(lambda tx: tx.accounts.drop_token(fourth))
        assert (await marked(mark), await marked(other)) == ([ANNA], [])
        await store.write(lambda tx: tx.accounts.drop_tokens(ANNA))
        assert await marked(mark) == []

    async def test_a_use_only_moves_forward(self, store: Store) -> None:
        """An older note of use changes nothing, and an unknown token is nobody's."""
        await _with_sessions(store)
        for minutes in (5, 3):
            at = START + minutes * MINUTE
            await store.write(lambda tx, at=at: tx.sessions.note_use(FIRST, at))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        await store.write(lambda tx: tx.sessions.note_use(b"\x09" * 32, START))
        found = await store.read(lambda tx: tx.sessions.find(FIRST))
        assert found is not None
        assert found.used_at == START + 5 * MINUTE

    async def test_only_its_owner_ends_a_session(self, store: Store) -> None:
        """Ended means that the token proves nobody; another's session is not found."""
        await _with_sessions(store)
        for owner in (BEN, ANNA):
            if owner == BEN:
                with pytest.raises(NotFoundError):
                    await store.write(lambda tx: tx.sessions.end(BEN, session_id(FIRST)))
                continue
            ended = await store.write(lambda tx: tx.sessions.end(ANNA, session_id(FIRST)))
            assert ended == session_of(FIRST)
        with pytest.raises(UnauthenticatedError):
            await store.read(lambda tx: tx.accounts.owner_of(FIRST, now=START, single_use=False))
        with pytest.raises(NotFoundError):
            await store.write(lambda tx: tx.sessions.end(ANNA, session_id(FIRST)))

    async def test_a_session_goes_with_its_token(self, store: Store) -> None:
        """Dropping an account's tokens leaves no facts behind."""
        await _with_sessions(store)
        await store.write(lambda tx: tx.accounts.drop_token(FIRST))
        await store.write(lambda tx: tx.accounts.drop_tokens(BEN))
        assert await store.read(lambda tx: tx.sessions.find(FIRST)) is None
        assert await store.read(lambda tx: tx.sessions.of(BEN)) == ()
        assert len(await store.read(lambda tx: tx.sessions.of(ANNA))) == 1

    async def test_what_is_over_is_forgotten(self, store: Store) -> None:
        """Expired tokens of any kind, and sessions unused for too long; nothing else."""
        await _with_sessions(store)
        await store.write(
            lambda tx: tx.accounts.add_token(
                token_hash=b"\x07" * 32, owner=ANNA, expires_at=START + MINUTE, single_use=True
            )
        )
        long_ago = START - MINUTE

        async def forget(now: datetime, unused_since: datetime) -> int:
            return await store.write(
                lambda tx: tx.sessions.forget_over(now=now, unused_since=unused_since)
            )

        assert await forget(START, long_ago) == 0
        assert await forget(START + MINUTE, long_ago) == 1
        assert await forget(START + 2 * MINUTE, START + MINUTE) == 2
        assert await store.read(lambda tx: tx.sessions.of(BEN)) == ()
        assert await forget(START + 61 * MINUTE, long_ago) == 1
        assert await store.read(lambda tx: tx.sessions.of(ANNA)) == ()

    async def test_a_proof_is_spent_once_until_forgotten(self, store: Store) -> None:
        """The second time is a conflict; what is past its time is dropped."""
        until = START + MINUTE
        await store.write(lambda tx: tx.spent_proofs.spend(FIRST, until=until))
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.spent_proofs.spend(FIRST, until=until + MINUTE))
        await store.write(lambda tx: tx.spent_proofs.spend(SECOND, until=until + MINUTE))
        assert await store.write(lambda tx: tx.spent_proofs.forget_before(until)) == 1
        await store.write(lambda tx: tx.spent_proofs.spend(FIRST, until=until))
