"""Who is asking: people, workloads, and agents that act for people.

Here: the identity (issuer + subject) and what policy reads of it. Not here: how identity is
proved; that is the identity port.

Invariants:
- Identity is issuer + subject, never an e-mail address or a display name.
- An agent names the person it acts for; for every rule about persons it *is* that person (law 6).
- Identities that are one person name one of them; for every rule about persons they are that one.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime

from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName

LOCAL_ISSUER = "local"
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")


class PrincipalKind(enum.StrEnum):
    """What sort of actor it is."""

    PERSON = "person"
    WORKLOAD = "workload"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalId:
    """Issuer and subject; ``local`` is the issuer of accounts that this server keeps itself.

    Raises:
        InvalidError: when either part is empty, over 255 characters or not printable ASCII.
    """

    issuer: str
    subject: str

    def __post_init__(self) -> None:
        for part in (self.issuer, self.subject):
            if _SUBJECT.fullmatch(part) is None:
                raise InvalidError("issuer and subject are 1 to 255 printable ASCII characters")
        if "|" in self.issuer:
            raise InvalidError("an issuer holds no '|'")

    def __str__(self) -> str:
        return f"{self.issuer}|{self.subject}"

    @property
    def account(self) -> str:
        """What ``of_account`` reads back: a local account by its subject alone."""
        return self.subject if self.issuer == LOCAL_ISSUER else str(self)

    @classmethod
    def of_account(cls, text: str) -> PrincipalId:
        """Return whom an administrator names: a local subject, or ISSUER|SUBJECT of a provider."""
        if "://" in text.partition("|")[0]:
            return cls.parse(text)
        return cls(issuer=LOCAL_ISSUER, subject=text)

    @classmethod
    def parse(cls, text: str) -> PrincipalId:
        """Read back what ``str()`` gave."""
        issuer, bar, subject = text.partition("|")
        if not bar:
            raise InvalidError("a principal is written ISSUER|SUBJECT")
        return cls(issuer=issuer, subject=subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A known actor with the groups it was in when it was read.

    Attributes:
        alias_of: the identity by which its person counts, where that person has several.
        manager: the person's manager, as far as accounts or a directory know.
        oncall_as_of: when the oldest answer was read that puts it into a group of those on call.
        speaks_for: who delegated to it; set only while it is asked about as a reviewer.
    """

    id: PrincipalId
    display: str
    kind: PrincipalKind = PrincipalKind.PERSON
    groups: frozenset[GroupName] = frozenset()
    acts_for: PrincipalId | None = None
    alias_of: PrincipalId | None = None
    manager: PrincipalId | None = None
    oncall_as_of: datetime | None = None
    speaks_for: frozenset[PrincipalId] = frozenset()

    @property
    def person(self) -> PrincipalId:
        """The person behind this actor: itself, whom an agent acts for, or whose alias it is."""
        return self.alias_of or self.acts_for or self.id

    @property
    def other_person(self) -> PrincipalId | None:
        """The person behind this actor where that is another identity; None: the actor itself."""
        return self.person if self.person != self.id else None
