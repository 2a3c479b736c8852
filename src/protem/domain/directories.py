"""Directories: whose users and groups come to us from outside, and what we keep of them.

Here: a source, its users and groups as it describes them, and how its names become ours. Not here:
the accounts that they become (``ports.store.Account``) and the protocol (SCIM, an entrypoint).

Invariants:
- A user of a directory is the principal (the source's issuer, subject); the subject is one of two
  attributes, chosen once for the source.
- A directory's group never has a name that begins with ``protem:``, and two groups of one
  directory never have the same name.

Source: RFC 7643, sections 3.1, 4.1 and 4.2.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from protem.domain.errors import ConflictError, InvalidError
from protem.domain.identifiers import DirectoryId, DirectoryName, GroupName
from protem.domain.principals import PrincipalId

LOCAL_ISSUER = "local"
"""The issuer of accounts that this server keeps itself, break-glass ones among them."""
RESERVED_PREFIX = "protem:"
"""Groups that Protem itself gives out."""
MOST_TEXT = 255
MOST_ADDRESS = 320
"""RFC 5321: 64 characters, the sign, 255 characters."""
MOST_EMAILS = 20
_SPACES = re.compile(r"\s+")


class TakenError(ConflictError):
    """Another user or group of the directory, or of another one, has this name already."""

    code = "taken"


class OutdatedError(ConflictError):
    """It changed since the caller read it; nothing was done."""

    code = "outdated"


class SubjectFrom(enum.StrEnum):
    """Which attribute is the subject that people sign in with."""

    EXTERNAL_ID = "externalId"
    USER_NAME = "userName"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySource:
    """A directory that provisions people.

    Attributes:
        issuer: whom its people sign in with.
        group_prefix: stands before the name of every group of it.

    Raises:
        InvalidError: when the issuer is our own, or the prefix gives out reserved names or none.
    """

    name: DirectoryName
    issuer: str
    subject_from: SubjectFrom = SubjectFrom.EXTERNAL_ID
    group_prefix: str = ""

    def __post_init__(self) -> None:
        if self.issuer == LOCAL_ISSUER:
            raise InvalidError("a directory never provisions local accounts; name its own issuer")
        self.principal_id("x")
        self.group_name("x")

    @property
    def actor(self) -> str:
        """The directory itself, as the audit log names it."""
        return f"scim|{self.name}"

    def principal_id(self, subject: str) -> PrincipalId:
        """Return the principal that a subject of this directory is."""
        return PrincipalId(issuer=self.issuer, subject=subject)

    def group_name(self, display_name: str) -> GroupName:
        """Return what policy calls the group: spaces become dashes, nothing else is rewritten.

        Raises:
            InvalidError: when that is no group's name, or a reserved one.
        """
        name = self.group_prefix + _SPACES.sub("-", display_name.strip())
        if name.lower().startswith(RESERVED_PREFIX):
            raise InvalidError(f"groups that begin with {RESERVED_PREFIX} are Protem's own")
        try:
            return GroupName(name)
        except InvalidError as error:
            raise InvalidError(
                f"group {ascii(display_name)[:80]} cannot be named in a policy: letters without"
                " accents, digits, spaces and . _ : / @ - are, at most 128 of them",
                next_step="rename the group in the directory, or do not push it",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailAddress:
    """One address of a person; ``kind`` is the directory's word, such as ``work``."""

    value: str
    kind: str | None = None
    primary: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName:
    """A person's name in parts."""

    formatted: str | None = None
    family: str | None = None
    given: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserProfile:
    """What a directory says of one person.

    Attributes:
        active: None where it does not say.
        manager: the manager's id, external id or user name, as the directory likes.

    Raises:
        InvalidError: when a text is empty, too long or not printable.
    """

    user_name: str
    external_id: str | None = None
    active: bool | None = None
    display_name: str | None = None
    name: PersonName = PersonName()  # immutable
    emails: tuple[EmailAddress, ...] = ()
    manager: str | None = None

    def __post_init__(self) -> None:
        for what, text in (
            ("userName", self.user_name),
            ("externalId", self.external_id),
            ("displayName", self.display_name),
            ("name.formatted", self.name.formatted),
            ("name.familyName", self.name.family),
            ("name.givenName", self.name.given),
            ("manager", self.manager),
            *(("emails.type", email.kind) for email in self.emails),
        ):
            check_text(what, text)
        for email in self.emails:
            check_text("emails.value", email.value, most=MOST_ADDRESS)
        if len(self.emails) > MOST_EMAILS:
            raise InvalidError(f"a person has at most {MOST_EMAILS} e-mail addresses here")

    def subject(self, source: DirectorySource) -> PrincipalId:
        """Return who this is when they sign in.

        Raises:
            InvalidError: when the attribute is absent or no subject.
        """
        wanted = source.subject_from
        subject = self.external_id if wanted is SubjectFrom.EXTERNAL_ID else self.user_name
        if subject is None:
            raise InvalidError(f"{wanted} is needed: it is the subject that people sign in with")
        try:
            return source.principal_id(subject)
        except InvalidError as error:
            raise InvalidError(f"{wanted} is the subject: 1 to 255 ASCII characters") from error

    @property
    def display(self) -> str:
        """What people read."""
        parts = " ".join(part for part in (self.name.given, self.name.family) if part)
        return self.display_name or self.name.formatted or parts or self.user_name


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryUser:
    """A user of a directory as stored."""

    source: DirectoryName
    id: DirectoryId
    principal: PrincipalId
    profile: UserProfile
    version: int
    created_at: datetime
    changed_at: datetime

    @property
    def active(self) -> bool:
        """Whether the person may act; a directory that never said so meant yes."""
        return self.profile.active is not False

    @property
    def user_name_key(self) -> str:
        """The name as it is compared: user names differ by more than case."""
        return comparable(self.profile.user_name)

    @property
    def called(self) -> tuple[str, ...]:
        """By what a manager's attribute may name this user."""
        external = self.profile.external_id
        return (self.id, self.profile.user_name, *(() if external is None else (external,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryGroup:
    """A group of a directory as stored, without its members.

    Raises:
        InvalidError: when a text is empty, too long or not printable.
    """

    source: DirectoryName
    id: DirectoryId
    name: GroupName
    display_name: str
    external_id: str | None
    version: int
    created_at: datetime
    changed_at: datetime

    def __post_init__(self) -> None:
        check_text("displayName", self.display_name)
        check_text("externalId", self.external_id)

    @property
    def name_key(self) -> str:
        """The name as it is compared, so that no two groups differ by case alone."""
        return self.name.lower()


def comparable(text: str) -> str:
    """Return ``text`` as names are compared: composed (NFC) and in lower case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def check_text(what: str, text: str | None, *, most: int = MOST_TEXT) -> None:
    """Return when ``text`` is one line that people can read, or absent.

    Raises:
        InvalidError: otherwise.
    """
    if text is not None and (not 0 < len(text) <= most or not text.isprintable()):
        raise InvalidError(f"{what} is 1 to {most} printable characters")
