"""From verified claims to a person: identity, name, groups, and what ends the sign-in.

Here: which claim is what, and the quirks of providers. Not here: whether the claims are true
(tokens).

Invariants: the subject is ``sub`` or Entra's ``oid``, never an e-mail address or a name, which can
be given to someone else; a domain counts only as the provider's own word on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.principals import PrincipalId
from protem.domain.proved_people import (
    Departure,
    ProvedPerson,
    usable_display,
    usable_groups,
)
from protem.identity.oidc.tokens import refused

_MARK_CONTEXT = "protem.dev/sign-in-mark/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """How to read a provider's claims.

    Attributes:
        subject_claim: ``sub``, or ``oid``: at Entra ``sub`` is another for each application, and
            ``oid`` is what its directory calls the person everywhere.
        groups_claim: dotted path to a list of names, such as ``realm_access.roles``; None: the
            provider says nothing of groups (a directory does).
        group_prefix: put before each name.
        allowed_domains: of the account (``hd``, else a verified e-mail address); empty: any.
    """

    subject_claim: Literal["sub", "oid"] = "sub"
    groups_claim: str | None = "groups"
    group_prefix: str = ""
    allowed_domains: frozenset[str] = frozenset()


def person_of(
    claims: Mapping[str, Any], *, issuer: str, provider: str, rules: ClaimRules
) -> ProvedPerson:
    """Return who the claims speak of.

    Raises:
        UnauthenticatedError: they name nobody we could know, or somebody who may not come in.
    """
    _check_domain(claims, rules.allowed_domains)
    subject = claims.get(rules.subject_claim)
    if not isinstance(subject, str):
        raise refused(f"it names no subject: there is no {rules.subject_claim}")
    try:
        identity = PrincipalId(issuer=issuer, subject=subject)
        groups = _groups(claims, rules)
    except InvalidError as error:
        raise refused(error.message) from error
    display = usable_display(claims.get("name"), claims.get("preferred_username"), subject)
    marks = frozenset(
        _mark(issuer, claim, claims[claim])
        for claim in ("sub", "sid")
        if isinstance(claims.get(claim), str)
    )
    return ProvedPerson(id=identity, display=display, provider=provider, groups=groups, marks=marks)


def departure_of(
    claims: Mapping[str, Any], *, issuer: str, rules: ClaimRules, until: datetime
) -> Departure:
    """Return who left, from a logout token's claims: its ``sub``, else its ``sid``, says.

    With both, all sessions of the person end here, not the one that the provider names: whoever
    leaves there is to be gone everywhere.

    Raises:
        UnauthenticatedError: they name neither, or not what makes the announcement one of its own.
    """
    number = claims.get("jti")
    if not isinstance(number, str) or not number:
        raise refused("it has no jti")
    claim = "sub" if "sub" in claims else "sid"
    name = claims.get(claim)
    if not isinstance(name, str) or not name:
        raise refused("it names neither a subject nor a session")
    person = None
    if claim == rules.subject_claim:
        try:
            person = PrincipalId(issuer=issuer, subject=name)
        except InvalidError as error:
            raise refused(error.message) from error
    return Departure(
        person=person,
        mark=_mark(issuer, claim, name),
        digest=_mark(issuer, "jti", number),
        until=until,
    )


def _mark(issuer: str, claim: str, value: str) -> bytes:
    """Return a digest that nothing of the provider's can be told from."""
    parts = (_MARK_CONTEXT, issuer, claim, value)
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _groups(claims: Mapping[str, Any], rules: ClaimRules) -> frozenset[GroupName] | None:
    if rules.groups_claim is None:
        return None
    found: Any = claims.get(rules.groups_claim)
    if found is None:
        found = claims
        for part in rules.groups_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if found is None and _is_elsewhere(claims, rules.groups_claim):
        # Entra leaves the claim out when somebody is in over 200 groups: guessing "none" would
        # take rights away in silence, and a rule that forbids a group would stop doing so.
        raise refused(
            "the provider left the groups out because they are too many; let it send only the "
            "groups assigned to this application, or provision groups by SCIM"
        )
    names = [found] if isinstance(found, str) else found
    return usable_groups(names if isinstance(names, list) else (), prefix=rules.group_prefix)


def _is_elsewhere(claims: Mapping[str, Any], claim: str) -> bool:
    names = claims.get("_claim_names")
    return claims.get("hasgroups") is True or (isinstance(names, Mapping) and claim in names)


def _check_domain(claims: Mapping[str, Any], allowed: frozenset[str]) -> None:
    if not allowed:
        return
    domain = claims.get("hd")
    if domain is None and claims.get("email_verified") is True:
        domain = str(claims.get("email", "")).rpartition("@")[2]
    if not isinstance(domain, str) or domain.lower() not in allowed:
        raise refused("the account is of a domain that may not sign in here")
