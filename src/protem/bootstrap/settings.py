"""The settings file: one TOML document, checked whole before anything starts.

Here: its shape, its defaults and the errors about it. Not here: what is built from it
(control_plane), and secrets themselves (secret_references). ``docs/configuration.md`` describes
every key for people.

Invariants: an unknown key is an error; every error names its key path; no error repeats a value.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from protem.bootstrap.break_glass_settings import BreakGlassSettings
from protem.bootstrap.notification_settings import NotificationSettings
from protem.bootstrap.oidc_settings import OidcProviderSettings, ProviderName
from protem.bootstrap.oncall_settings import OncallSettings
from protem.bootstrap.scim_settings import ScimSettings
from protem.bootstrap.secret_references import SecretReference
from protem.bootstrap.session_settings import SessionSettings
from protem.bootstrap.settings_table import Duration, SettingsTable, Text
from protem.bootstrap.workload_settings import WorkloadName, WorkloadSettings
from protem.domain.errors import InvalidError, ProtemError
from protem.domain.identifiers import GroupName, ProfileName, TargetName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.scopes import Scope
from protem.domain.targets import Tag, Target
from protem.identity.linked_persons import first_identities

LOCAL_ISSUER = "local"
_DOCUMENT = "docs/configuration.md describes every key"


class LogSettings(SettingsTable):
    """``[server.log]``."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class ServerSettings(SettingsTable):
    """``[server]``."""

    listen: str = "127.0.0.1:8321"
    public_url: str | None = None
    state_dir: Text = "protem-state"
    allowed_hosts: list[Text] = []
    log: LogSettings = LogSettings()

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, listen: str) -> str:
        parse_listen(listen)
        return listen


class AuditSettings(SettingsTable):
    """``[audit]``."""

    origin: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,254}$")] = "protem.local"
    folder: Text | None = None


class PolicySettings(SettingsTable):
    """``[policy]``."""

    folder: Text = "policy"


class LimitSettings(SettingsTable):
    """``[limits]``."""

    most_waiting: int = Field(default=50, ge=1, le=10_000)
    request_lapses_after: Duration = timedelta(hours=8)
    approval_lapses_after: Duration = timedelta(hours=1)
    observe_every: Duration = timedelta(seconds=15)
    statement_every: Duration = timedelta(hours=1)


class UserSettings(SettingsTable):
    """``[identity.local.users.NAME]``."""

    display: Text | None = None
    kind: Literal["person", "workload", "agent"] = "person"
    groups: list[str] = []
    acts_for: str | None = None
    manager: str | None = None
    approver_keys: list[Annotated[str, Field(max_length=4_096)]] = []


class LocalIdentitySettings(SettingsTable):
    """``[identity.local]``."""

    users: dict[str, UserSettings] = {}


class IdentitySettings(SettingsTable):
    """``[identity]``."""

    local: LocalIdentitySettings = LocalIdentitySettings()
    oidc: dict[ProviderName, OidcProviderSettings] = {}
    sessions: SessionSettings = SessionSettings()
    workloads: dict[WorkloadName, WorkloadSettings] = {}
    scim: dict[str, ScimSettings] = {}
    same_person: list[list[Text]] = []

    @model_validator(mode="after")
    def _issuers_are_told_apart(self) -> IdentitySettings:
        issuers = [provider.issuer for provider in self.oidc.values()]
        if len(set(issuers)) < len(issuers):
            raise ValueError("oidc: two providers have the same issuer")
        directories = {directory.issuer for directory in self.scim.values()}
        for name, provider in self.oidc.items():
            if provider.issuer in directories and provider.groups != "scim":
                raise ValueError(
                    f'oidc.{name}.groups: a directory provisions these people; say "scim", or each'
                    " sign-in would put the provider's groups in place of the directory's"
                )
        clients = {provider.client_id for provider in self.oidc.values()}
        if any(workload.audience in clients for workload in self.workloads.values()):
            raise ValueError("workloads: an audience is not the client_id of people's sign-in")
        return self


class Login(SettingsTable):
    """A role at a target and where its password is."""

    user: Text
    password: SecretReference


class TagSettings(SettingsTable):
    """``[[targets.NAME.tags]]``: dotted names of columns and of whole tables."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    columns: list[str] = []
    tables: list[str] = []

    @model_validator(mode="after")
    def _marks_something(self) -> TagSettings:
        if not self.columns and not self.tables:
            raise ValueError("a tag marks columns or tables")
        if any(column.count(".") != 2 for column in self.columns):  # noqa: PLR2004
            raise ValueError("a column is written SCHEMA.TABLE.COLUMN")
        if any(table.count(".") != 1 for table in self.tables):
            raise ValueError("a table is written SCHEMA.TABLE")
        return self


class PrivilegeSettings(SettingsTable):
    """One line of a profile, in the shape of a scope."""

    kind: Text
    path: Annotated[list[str], Field(min_length=1)]
    action: Text
    parts: Annotated[list[str], Field(min_length=1)] | None = None


class ProfileSettings(SettingsTable):
    """``[targets.NAME.profiles.PROFILE]``."""

    privileges: Annotated[list[PrivilegeSettings], Field(min_length=1)]


class TargetSettings(SettingsTable):
    """``[targets.NAME]`` of scheme ``postgresql``."""

    scheme: Literal["postgresql"]
    labels: dict[str, str] = {}
    host: Text
    port: Annotated[int, Field(ge=1, le=65_535)] = 5432
    dbname: Text
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    sslrootcert: Text | None = None
    administrator: Login
    planner: Login
    scram_iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    approver_keys_file: Text | None = None
    tags: list[TagSettings] = []
    profiles: dict[str, ProfileSettings] = {}


class Settings(SettingsTable):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    audit: AuditSettings = AuditSettings()
    policy: PolicySettings = PolicySettings()
    limits: LimitSettings = LimitSettings()
    identity: IdentitySettings = IdentitySettings()
    notifications: NotificationSettings = NotificationSettings()
    oncall: OncallSettings = OncallSettings()
    break_glass: BreakGlassSettings = BreakGlassSettings()
    targets: dict[str, TargetSettings] = {}

    @model_validator(mode="after")
    def _names_are_names(self) -> Settings:
        for name in self.targets:
            _as_value_error(f"targets.{name}", lambda name=name: declared_target(name, self))
        for name, declared in self.identity.scim.items():
            _as_value_error(
                f"identity.scim.{name}",
                lambda name=name, declared=declared: declared.source(name),
            )
        for name in self.identity.local.users:
            where = f"identity.local.users.{name}"
            _as_value_error(where, lambda name=name: declared_principal(name, self))
        _as_value_error("identity.same_person", lambda: linked_identities(self.identity))
        return self


def _as_value_error(where: str, build: Any) -> None:
    try:
        build()
    except ProtemError as error:
        raise ValueError(f"{where}: {error.message}") from error


def load_settings(path: Path) -> Settings:
    """Read and check the file.

    Raises:
        InvalidError: when it is absent, not TOML, or wrong; the message names every wrong key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise InvalidError(
            f"{path} cannot be read: {error.strerror}",
            next_step=f"protem server init --config {path}",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidError(f"{path} is not TOML: {error}", next_step=_DOCUMENT) from error
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise InvalidError(_explain(path, error), next_step=_DOCUMENT) from error


def parse_listen(listen: str) -> tuple[str, int]:
    """Return host and port of ``ADDRESS:PORT``; port 0 asks for any free one.

    Raises:
        ValueError: when it is not that.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004
        raise ValueError("listen is ADDRESS:PORT, such as 127.0.0.1:8321")
    host = host.removeprefix("[").removesuffix("]")
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            raise ValueError("listen names an IP address or localhost") from error
    return host, int(port)


def declared_target(name: str, settings: Settings) -> Target:
    """Return a target as the inside sees it, without addresses and secrets."""
    declared = settings.targets[name]
    tags = [
        *(
            Tag(name=tag.name, path=tuple(column.split(".")[:2]), part=column.split(".")[2])
            for tag in declared.tags
            for column in tag.columns
        ),
        *(
            Tag(name=tag.name, path=tuple(table.split(".")))
            for tag in declared.tags
            for table in tag.tables
        ),
    ]
    return Target(
        name=TargetName(name),
        scheme=declared.scheme,
        labels=dict(declared.labels),
        tags=tuple(tags),
        profiles={
            ProfileName(profile): Scope.from_json(
                [row.model_dump(exclude_none=True) for row in body.privileges]
            )
            for profile, body in declared.profiles.items()
        },
        credential_hints={"scram_iterations": declared.scram_iterations},
        own_logins=frozenset(_logins_at(declared.host, declared.port, settings)),
    )


def _logins_at(host: str, port: int, settings: Settings) -> Iterator[str]:
    """Yield the roles of every target at one server: roles belong to servers, not to databases."""
    for target in settings.targets.values():
        if (target.host, target.port) == (host, port):
            yield target.administrator.user
            yield target.planner.user


def declared_principal(name: str, settings: Settings) -> Principal:
    """Return a user of the file."""
    return principal_of(name, settings.identity.local.users[name])


def principal_of(name: str, user: UserSettings) -> Principal:
    """Return the principal that ``user`` describes."""
    return Principal(
        id=local_id(name),
        display=user.display or name,
        kind=PrincipalKind(user.kind),
        groups=frozenset(GroupName(group) for group in user.groups),
        acts_for=None if user.acts_for is None else local_id(user.acts_for),
        manager=None if user.manager is None else local_id(user.manager),
    )


def linked_identities(identity: IdentitySettings) -> dict[PrincipalId, PrincipalId]:
    """Return, of identities that are one person, the first for each other one."""
    return first_identities(
        [PrincipalId.parse(each) for each in identities] for identities in identity.same_person
    )


def local_id(subject: str) -> PrincipalId:
    """Return the identity of a local account."""
    return PrincipalId(issuer=LOCAL_ISSUER, subject=subject)


def _explain(path: Path, error: ValidationError) -> str:
    lines = []
    for found in error.errors(include_input=False, include_url=False, include_context=False):
        where = ".".join(map(str, found["loc"]))
        message = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            message = "there is no such key; check its spelling and the table it is in"
        lines.append(f"{where}: {message}" if where else message)
    return f"{path}: " + "; ".join(lines)
