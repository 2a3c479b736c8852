"""What the store in memory keeps: one dictionary per kind of record.

Here: the tables, a copy of them, which is what makes a transaction, and one transaction's access to
them. Not here: rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from protem.domain.answer_links import AnswerLink
from protem.domain.approvals import Approval
from protem.domain.approver_keys import ApproverKey, KeyChallenge, KeyKind
from protem.domain.broken_glass import BrokenGlass
from protem.domain.comments import Comment
from protem.domain.delegations import Delegation, DelegationId
from protem.domain.deliveries import Delivery
from protem.domain.device_sign_ins import DeviceSignIn
from protem.domain.directories import DirectoryGroup, DirectoryUser
from protem.domain.errors import InvalidError
from protem.domain.grants import Grant
from protem.domain.identifiers import DirectoryId, GrantId
from protem.domain.offers import Offer
from protem.domain.oncall import OncallAnswer, ScheduleName
from protem.domain.posted_messages import PostedMessage
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.sign_in_sessions import SignInSession
from protem.domain.trusted_time import ClockReading
from protem.ports.store import Account, RememberedAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Whose work a grant is, and until when."""

    owner: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token by its hash."""

    owner: PrincipalId
    expires_at: datetime
    single_use: bool


@dataclass(slots=True)
class Tables:
    """Everything there is."""

    grants: dict[GrantId, Grant] = field(default_factory=dict)
    leases: dict[GrantId, Lease] = field(default_factory=dict)
    revisions: dict[tuple[GrantId, int], RequestRevision] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    accounts: dict[PrincipalId, Account] = field(default_factory=dict)
    tokens: dict[bytes, Token] = field(default_factory=dict)
    answers: dict[tuple[PrincipalId, str], tuple[RememberedAnswer, datetime]] = field(
        default_factory=dict
    )
    clock_marks: dict[str, ClockReading] = field(default_factory=dict)
    sessions: dict[bytes, SignInSession] = field(default_factory=dict)
    sign_in_marks: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    devices: dict[bytes, DeviceSignIn] = field(default_factory=dict)
    spent_proofs: dict[bytes, datetime] = field(default_factory=dict)
    broken_glass: dict[GrantId, BrokenGlass] = field(default_factory=dict)
    glass_codes: dict[bytes, tuple[PrincipalId, datetime]] = field(default_factory=dict)
    directory_users: dict[DirectoryId, DirectoryUser] = field(default_factory=dict)
    directory_groups: dict[DirectoryId, DirectoryGroup] = field(default_factory=dict)
    directory_members: set[tuple[DirectoryId, DirectoryId]] = field(default_factory=set)
    offers: dict[tuple[GrantId, int], Offer] = field(default_factory=dict)
    comments: dict[tuple[GrantId, int], Comment] = field(default_factory=dict)
    delegations: dict[DelegationId, Delegation] = field(default_factory=dict)
    oncall: dict[ScheduleName, OncallAnswer] = field(default_factory=dict)
    approver_keys: dict[str, ApproverKey] = field(default_factory=dict)
    key_challenges: dict[tuple[PrincipalId, KeyKind], KeyChallenge] = field(default_factory=dict)
    messages: dict[tuple[str, str], PostedMessage] = field(default_factory=dict)
    notices: dict[tuple[str, str], Delivery] = field(default_factory=dict)
    answer_links: dict[bytes, AnswerLink] = field(default_factory=dict)

    def copy(self) -> Tables:
        """Return tables whose changes leave these alone."""
        return Tables(
            grants=dict(self.grants),
            leases=dict(self.leases),
            revisions=dict(self.revisions),
            approvals=list(self.approvals),
            entries=list(self.entries),
            accounts=dict(self.accounts),
            tokens=dict(self.tokens),
            answers=dict(self.answers),
            clock_marks=dict(self.clock_marks),
            sessions=dict(self.sessions),
            sign_in_marks=dict(self.sign_in_marks),
            devices=dict(self.devices),
            spent_proofs=dict(self.spent_proofs),
            broken_glass=dict(self.broken_glass),
            glass_codes=dict(self.glass_codes),
            directory_users=dict(self.directory_users),
            directory_groups=dict(self.directory_groups),
            directory_members=set(self.directory_members),
            offers=dict(self.offers),
            comments=dict(self.comments),
            delegations=dict(self.delegations),
            oncall=dict(self.oncall),
            approver_keys=dict(self.approver_keys),
            key_challenges=dict(self.key_challenges),
            messages=dict(self.messages),
            notices=dict(self.notices),
            answer_links=dict(self.answer_links),
        )


class Access:
    """One transaction's way to the tables; none once it is closed."""

    def __init__(self, tables: Tables, *, writable: bool) -> None:
        self._tables = tables
        self._writable = writable

    def close(self) -> None:
        """Let go of the tables."""
        self._tables = Tables()
        self._writable = False

    @property
    def readable(self) -> Tables:
        """The tables, to look at."""
        return self._tables

    @property
    def changeable(self) -> Tables:
        """The tables, to change.

        Raises:
            InvalidError: in a transaction that only reads.
        """
        if not self._writable:
            raise InvalidError("this transaction only reads; change things in Store.write")
        return self._tables


class Records:
    """One kind of records in a transaction."""

    def __init__(self, transaction: Access) -> None:
        self._transaction = transaction
