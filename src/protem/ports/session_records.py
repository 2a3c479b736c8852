"""Sessions, terminals that ask for one and spent proofs, as kept beside accounts and tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from protem.domain.device_sign_ins import DeviceSignIn
from protem.domain.principals import PrincipalId
from protem.domain.sign_in_sessions import SignInSession


class SessionRecords(Protocol):
    """Facts about tokens that are sessions; they go when their token goes."""

    def add(self, token_hash: bytes, session: SignInSession, marks: Collection[bytes] = ()) -> None:
        """Keep the token's hash as its owner's session, and the marks of its sign-in.

        Raises:
            ConflictError: when the hash is kept already, or there is no such account.
        """
        ...

    def find(self, token_hash: bytes) -> SignInSession | None:
        """Return what is known of a token, over or not; None for one that is no session."""
        ...

    def of(self, owner: PrincipalId) -> Sequence[SignInSession]:
        """Return an account's sessions, over or not, newest first."""
        ...

    def marked(self, mark: bytes) -> Sequence[PrincipalId]:
        """Return the owners of sessions, over or not, whose sign-in bears the mark, each once."""
        ...

    def marks(self, token_hash: bytes) -> Collection[bytes]:
        """Return the marks of the sign-in that a session began with."""
        ...

    def note_use(self, token_hash: bytes, at: datetime) -> None:
        """Keep ``at`` as the last use, unless a later one is kept; harmless when unknown."""
        ...

    def end(self, owner: PrincipalId, session_id: str) -> SignInSession:
        """Forget one session and its token; return what it was.

        Raises:
            NotFoundError: when this account has no such session.
        """
        ...

    def forget_over(self, *, now: datetime, unused_since: datetime) -> int:
        """Forget every token that expired, and sessions last used before ``unused_since``."""
        ...


class DeviceRecords(Protocol):
    """Terminals that wait to be signed in, by the fingerprint of their long code."""

    def add(self, code_hash: bytes, asked: DeviceSignIn) -> None:
        """Keep one.

        Raises:
            ConflictError: when one of its codes is kept already.
        """
        ...

    def get(self, code_hash: bytes) -> DeviceSignIn | None:
        """Return the terminal of a long code, over or not."""
        ...

    def find(self, user_code: str) -> DeviceSignIn | None:
        """Return the terminal that shows a short code, over or not."""
        ...

    def count(self) -> int:
        """Return how many are kept."""
        ...

    def save(self, asked: DeviceSignIn) -> None:
        """Keep the answer to the terminal of this short code; harmless when it is gone."""
        ...

    def drop(self, code_hash: bytes) -> bool:
        """Forget one; say whether there was one."""
        ...

    def forget_before(self, moment: datetime) -> int:
        """Forget those that asked then or earlier; return how many."""
        ...


class SpentProofRecords(Protocol):
    """What may be shown once only, by digest, until it could not be shown anyway."""

    def spend(self, digest: bytes, *, until: datetime) -> None:
        """Keep the digest.

        Raises:
            ConflictError: when it was spent before.
        """
        ...

    def forget_before(self, moment: datetime) -> int:
        """Drop digests that were to be kept until then or earlier; return how many."""
        ...
