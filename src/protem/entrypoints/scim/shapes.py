"""Users and groups as SCIM writes them, and to and from what is kept of them.

Here: the attributes that we serve, which is fewer than the core schema has: what is not needed to
know a person is accepted and dropped, a password above all. Not here: storing (services), and
PATCH (patches).

Source: RFC 7643, sections 4.1, 4.2 and 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URN,
    AnyExtension,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Extension,
    Filter,
    Meta,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    ScimPolicy,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

from protem.domain.directories import EmailAddress, PersonName, UserProfile
from protem.services.browse_directory import GroupView, UserView

MOST_RESULTS = 200
"""In one page, whatever is asked for."""


class Name(ComplexAttribute):
    """The parts of a person's name that are kept."""

    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class Email(ComplexAttribute):
    """An e-mail address."""

    value: str | None = None
    type: str | None = None
    primary: bool | None = None


class GroupMembership(ComplexAttribute):
    """A group that a user is in."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    display: Annotated[str | None, Mutability.read_only] = None


class Manager(ComplexAttribute):
    """A user's manager: by our id, or as the directory calls the person."""

    value: Annotated[str | None, Required.true, CaseExact.true] = None


class EnterpriseUser(Extension):
    """The enterprise extension: of it, the manager."""

    __schema__ = URN("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")

    manager: Manager | None = None


class User(Resource[AnyExtension]):
    """A person."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    active: bool | None = None
    emails: list[Email] | None = None
    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None


class Member(ComplexAttribute):
    """A member of a group: a user."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(  # type: ignore[type-arg]  # the library's way
        None, serialization_alias="$ref", validation_alias="$ref"
    )


class Group(Resource[Any]):
    """A group of people."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Required.true, Uniqueness.server] = None
    members: list[Member] | None = None


Person = User[EnterpriseUser]
"""The user with the extension."""
MODELS: tuple[type[Resource[Any] | Extension], ...] = (User, EnterpriseUser, Group)
TOLERANT = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
"""What directories send beyond our schema is dropped; what Entra sends otherwise is understood."""


def profile_of(person: Any) -> UserProfile:
    """Return what is kept of a validated user.

    Raises:
        InvalidError: when a value breaks a bound.
    """
    name, extension = person.name or Name(), person[EnterpriseUser]
    manager = extension.manager if extension is not None else None
    return UserProfile(
        user_name=person.user_name or "",
        external_id=person.external_id or None,
        active=person.active,
        display_name=person.display_name or None,
        name=PersonName(
            formatted=name.formatted or None,
            family=name.family_name or None,
            given=name.given_name or None,
        ),
        emails=tuple(
            EmailAddress(value=email.value, kind=email.type or None, primary=email.primary)
            for email in person.emails or ()
            if email.value
        ),
        manager=(manager.value or None) if manager is not None else None,
    )


def document_of_user(view: UserView, base: str) -> dict[str, Any]:
    """Return the whole document of a user."""
    user, profile = view.user, view.user.profile
    name = {
        "formatted": profile.name.formatted,
        "familyName": profile.name.family,
        "givenName": profile.name.given,
    }
    schemas = [str(User.__schema__)]
    document: dict[str, Any] = {
        "schemas": schemas,
        "id": user.id,
        "externalId": profile.external_id,
        "meta": _meta("User", user, base),
        "userName": profile.user_name,
        "name": _without_absent(name),
        "displayName": profile.display_name,
        "active": user.active,
        "emails": [_of_email(email) for email in profile.emails],
        "groups": [{"value": group.id, "display": group.display_name} for group in view.groups],
    }
    if profile.manager is not None:
        schemas.append(str(EnterpriseUser.__schema__))
        document[str(EnterpriseUser.__schema__)] = {"manager": {"value": profile.manager}}
    return _without_absent(document)


def document_of_group(view: GroupView, base: str) -> dict[str, Any]:
    """Return the whole document of a group."""
    group = view.group
    return _without_absent(
        {
            "schemas": [str(Group.__schema__)],
            "id": group.id,
            "externalId": group.external_id,
            "meta": _meta("Group", group, base),
            "displayName": group.display_name,
            "members": [
                {
                    "value": member.id,
                    "$ref": f"{base}/Users/{member.id}",
                }
                for member in view.members
            ],
        }
    )


def etag(version: int) -> str:
    """Return the version as an entity tag: weak, as RFC 7644 section 3.14 writes them."""
    return f'W/"{version}"'


def resource_types() -> Sequence[ResourceType]:
    """Return what ``/ResourceTypes`` publishes."""
    return ResourceType.from_resource(Person), ResourceType.from_resource(Group)


def service_provider_config() -> ServiceProviderConfig:
    """Return what ``/ServiceProviderConfig`` publishes."""
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=MOST_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=True),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A token for each directory, named in the server's settings",
                primary=True,
            )
        ],
        meta=Meta(resource_type="ServiceProviderConfig"),
    )


def _meta(kind: str, record: Any, base: str) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "created": record.created_at.isoformat().replace("+00:00", "Z"),
        "lastModified": record.changed_at.isoformat().replace("+00:00", "Z"),
        "location": f"{base}/{kind}s/{record.id}",
        "version": etag(record.version),
    }


def _of_email(email: EmailAddress) -> dict[str, Any]:
    found = {"value": email.value, "type": email.kind, "primary": email.primary}
    return _without_absent(found)


def _without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], {})}
