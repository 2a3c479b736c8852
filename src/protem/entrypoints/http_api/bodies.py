"""The bodies that callers send, checked before anything else sees them.

Here: shapes and bounds of input, and reading it strictly. Not here: meaning (services, domain).

Invariants: unknown fields, wrong types and text that is not Unicode are refused; the bounds here
are no wider than the domain's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from protem.domain.approver_keys import KeyKind
from protem.domain.commands import Command
from protem.domain.durations import check_duration
from protem.domain.errors import InvalidError
from protem.domain.evidence import MAX_LINK, MAX_LINKS
from protem.domain.identifiers import GroupName, ProfileName, TargetName
from protem.domain.instants import parse_instant
from protem.domain.orders import PublicHalf
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.services.check_signatures import OfferedSignature
from protem.services.plan_command import Ask

_MOST_SECONDS = 30 * 86_400
_Name = Annotated[str, Field(max_length=255)]


class Body(BaseModel):
    """What all bodies have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


AnyBody = TypeVar("AnyBody", bound=Body)


class CommandBody(Body):
    """An argument vector and the content of the files that it names."""

    argv: Annotated[list[str], Field(min_length=1, max_length=256)]
    inputs: dict[str, str] = {}


class EvidenceBody(Body):
    """Links to what speaks for it, and whether the target shall say how it would run it."""

    links: Annotated[
        list[Annotated[str, Field(max_length=MAX_LINK)]], Field(max_length=MAX_LINKS)
    ] = []
    explain: bool = False


class AskBody(Body):
    """What is asked for."""

    target: _Name
    command: CommandBody
    duration_seconds: Annotated[int, Field(ge=1, le=_MOST_SECONDS)]
    reason: Annotated[str, Field(max_length=2_000)] | None = None
    ticket: Annotated[str, Field(max_length=128)] | None = None
    profile: _Name | None = None
    evidence: EvidenceBody = EvidenceBody()
    start: Annotated[str, Field(max_length=40)] | None = None

    def ask(self) -> Ask:
        """Return it in the inside's words."""
        return Ask(
            target=TargetName(self.target),
            command=Command(argv=tuple(self.command.argv), inputs=dict(self.command.inputs)),
            duration=check_duration(timedelta(seconds=self.duration_seconds)),
            reason=self.reason or "",
            ticket=self.ticket or "",
            profile=None if self.profile is None else ProfileName(self.profile),
            links=tuple(self.evidence.links),
            explain=self.evidence.explain,
            start=None if self.start is None else parse_instant(self.start),
        )


class PublicHalfBody(Body):
    """The half of the client's credential that may be known."""

    form: Annotated[str, Field(min_length=1, max_length=64)]
    value: Annotated[str, Field(min_length=1, max_length=16_384)]

    def public_half(self) -> PublicHalf:
        """Return it in the inside's words."""
        return PublicHalf(form=self.form, value=self.value)


class RequestBody(AskBody):
    """An ask, and perhaps the public half for at once."""

    public_half: PublicHalfBody | None = None


class SshSignatureBody(Body):
    """A signature that ``ssh-keygen -Y sign -n approval@protem.dev`` made over the digest."""

    kind: Literal["ssh"]
    signature: Annotated[str, Field(max_length=16_384)]

    def offered(self) -> OfferedSignature:
        """Return it in the inside's words."""
        return OfferedSignature(kind=KeyKind.SSH, content=self.signature)


class WebauthnSignatureBody(Body):
    """An ``AuthenticationResponseJSON`` whose challenge was the digest's bytes."""

    kind: Literal["webauthn"]
    credential: dict[str, Any]

    def offered(self) -> OfferedSignature:
        """Return it in the inside's words."""
        return OfferedSignature(kind=KeyKind.WEBAUTHN, content=self.credential)


class ReviewBody(Body):
    """A verdict on one digest, and the reviewer's signature over it where it is a signed yes."""

    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    verdict: Literal["approve", "deny"]
    comment: Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")] = ""
    signature: SshSignatureBody | WebauthnSignatureBody | None = None


class ActivateBody(Body):
    """The public half of the credential that the client made."""

    public_half: PublicHalfBody


class ExtendBody(Body):
    """How much longer, and why."""

    by_seconds: Annotated[int, Field(ge=1, le=_MOST_SECONDS)]
    reason: Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")] | None = None


class SignInBody(Body):
    """A one-time token."""

    token: Annotated[str, Field(min_length=1, max_length=1_024)]


class WorkloadBody(Body):
    """A token that a CI service or a cluster gave to a job."""

    token: Annotated[str, Field(min_length=1, max_length=65_536)]


class DeviceBody(Body):
    """What a terminal calls itself, and where on its own machine it waits for the browser."""

    said: Annotated[str, Field(max_length=100)] = ""
    port: Annotated[int, Field(ge=1_024, le=65_535)] | None = None


class DeviceCodeBody(Body):
    """The long code of a terminal, and what the browser brought to its port."""

    device_code: Annotated[str, Field(min_length=1, max_length=1_024)]
    proof: Annotated[str, Field(min_length=1, max_length=1_024)] | None = None


class AccountBody(Body):
    """A new local account."""

    subject: _Name
    display: Annotated[str, Field(max_length=255)] | None = None
    kind: Literal["person", "workload", "agent"] = "person"
    groups: Annotated[list[str], Field(max_length=200)] = []
    acts_for: _Name | None = None

    def principal(self) -> Principal:
        """Return it in the inside's words."""
        if self.display is not None and not self.display.isprintable():
            raise InvalidError("a display name holds printable characters only")
        return Principal(
            id=local_id(self.subject),
            display=self.display or self.subject,
            kind=PrincipalKind(self.kind),
            groups=frozenset(GroupName(group) for group in self.groups),
            acts_for=None if self.acts_for is None else local_id(self.acts_for),
        )


def local_id(subject: str) -> PrincipalId:
    """Return the identity of a local account."""
    return PrincipalId(issuer="local", subject=subject)


async def read_body(request: Request, shape: type[AnyBody]) -> AnyBody:
    """Return the body as ``shape``.

    Raises:
        pydantic.ValidationError: when it is not JSON of that shape; answered as ``invalid``.
    """
    return shape.model_validate_json(await request.body() or b"{}")
