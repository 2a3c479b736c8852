"""Sessions and spent proofs in dictionaries, with the refusals of the real ones."""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from protem.domain.device_sign_ins import DeviceSignIn
from protem.domain.errors import ConflictError, NotFoundError
from protem.domain.principals import PrincipalId
from protem.domain.sign_in_sessions import SignInSession
from protem.testing.in_memory_tables import Records, Token


class InMemorySessions(Records):
    """Facts about tokens; one whose token is gone is gone."""

    def add(self, token_hash: bytes, session: SignInSession, marks: Collection[bytes] = ()) -> None:
        tables = self._transaction.changeable
        if session.owner not in tables.accounts or token_hash in tables.tokens:
            raise ConflictError("the token is stored already, or its account is not")
        tables.tokens[token_hash] = Token(
            owner=session.owner, expires_at=session.expires_at, single_use=False
        )
        tables.sessions[token_hash] = session
        tables.sign_in_marks[token_hash] = frozenset(marks)

    def find(self, token_hash: bytes) -> SignInSession | None:
        tables = self._transaction.readable
        return tables.sessions.get(token_hash) if token_hash in tables.tokens else None

    def of(self, owner: PrincipalId) -> Sequence[SignInSession]:
        tables = self._transaction.readable
        theirs = [
            session
            for token_hash, session in tables.sessions.items()
            if session.owner == owner and token_hash in tables.tokens
        ]
        by_id = sorted(theirs, key=lambda session: session.id)
        return tuple(sorted(by_id, key=lambda session: session.began_at, reverse=True))

    def marked(self, mark: bytes) -> Sequence[PrincipalId]:
        tables = self._transaction.readable
        return sorted(
            {
                tables.tokens[token_hash].owner
                for token_hash, marks in tables.sign_in_marks.items()
                if mark in marks and token_hash in tables.tokens
            },
            key=str,
        )

    def marks(self, token_hash: bytes) -> Collection[bytes]:
        return self._transaction.readable.sign_in_marks.get(token_hash, frozenset())

    def note_use(self, token_hash: bytes, at: datetime) -> None:
        sessions = self._transaction.changeable.sessions
        if token_hash in sessions and sessions[token_hash].used_at < at:
            sessions[token_hash] = replace(sessions[token_hash], used_at=at)

    def end(self, owner: PrincipalId, session_id: str) -> SignInSession:
        tables = self._transaction.changeable
        for token_hash, session in tables.sessions.items():
            if (session.owner, session.id) == (owner, session_id) and token_hash in tables.tokens:
                del tables.tokens[token_hash]
                return session
        raise NotFoundError("there is no such session of yours")

    def forget_over(self, *, now: datetime, unused_since: datetime) -> int:
        tables = self._transaction.changeable
        over = [
            token_hash
            for token_hash, token in tables.tokens.items()
            if token.expires_at <= now
            or (
                (token_hash in tables.sessions)
                and tables.sessions[token_hash].used_at < unused_since
            )
        ]
        for token_hash in over:
            del tables.tokens[token_hash]
        for token_hash in set(tables.sessions) - set(tables.tokens):
            del tables.sessions[token_hash]
        return len(over)


class InMemoryDevices(Records):
    """Terminals by the fingerprint of their long code."""

    def add(self, code_hash: bytes, asked: DeviceSignIn) -> None:
        devices = self._transaction.changeable.devices
        if code_hash in devices or self.find(asked.user_code) is not None:
            raise ConflictError("this code is kept already")
        devices[code_hash] = asked

    def get(self, code_hash: bytes) -> DeviceSignIn | None:
        return self._transaction.readable.devices.get(code_hash)

    def find(self, user_code: str) -> DeviceSignIn | None:
        every = self._transaction.readable.devices.values()
        return next((asked for asked in every if asked.user_code == user_code), None)

    def count(self) -> int:
        return len(self._transaction.readable.devices)

    def save(self, asked: DeviceSignIn) -> None:
        devices = self._transaction.changeable.devices
        for code_hash, kept in devices.items():
            if kept.user_code == asked.user_code:
                devices[code_hash] = replace(
                    kept,
                    verdict=asked.verdict,
                    by=asked.by,
                    proof=asked.proof,
                    session=asked.session,
                )

    def drop(self, code_hash: bytes) -> bool:
        return self._transaction.changeable.devices.pop(code_hash, None) is not None

    def forget_before(self, moment: datetime) -> int:
        devices = self._transaction.changeable.devices
        old = [code_hash for code_hash, asked in devices.items() if asked.at <= moment]
        for code_hash in old:
            del devices[code_hash]
        return len(old)


class InMemorySpentProofs(Records):
    """Digests by the moment until which they are kept."""

    def spend(self, digest: bytes, *, until: datetime) -> None:
        spent = self._transaction.changeable.spent_proofs
        if digest in spent:
            raise ConflictError("this was used before")
        spent[digest] = until

    def forget_before(self, moment: datetime) -> int:
        spent = self._transaction.changeable.spent_proofs
        old = [digest for digest, until in spent.items() if until <= moment]
        for digest in old:
            del spent[digest]
        return len(old)
