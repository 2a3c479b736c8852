"""Make what a control plane needs before its first start: once, and again without harm.

Here: settings file, state folder, keys, policy folder, the first administrator. Not here: starting
anything.

Invariants: nothing that exists is changed, a key least of all; the administrator's one-time token
is returned once and kept nowhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from protem.bootstrap.control_plane import open_control_plane
from protem.bootstrap.settings import LOCAL_ISSUER, load_settings
from protem.bootstrap.state_folder import StateFolder
from protem.domain.audit_events import SYSTEM
from protem.domain.errors import ConflictError
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId
from protem.services.manage_accounts import OneTimeToken, add_account, issue_token
from protem.signing.local_key import create_key

ADMINISTRATORS = GroupName("admins")
"""The group that the starter policy lets administer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """What was made this time.

    Attributes:
        made: paths that are new.
        token: the new administrator's; None when the account existed.
    """

    made: tuple[Path, ...]
    token: OneTimeToken | None


async def initialise(config: Path, administrator: str) -> Initialised:
    """Make what is missing.

    Args:
        config: the settings file; the starter is written when there is none.
        administrator: the name of the first administrator.

    Raises:
        ProtemError: when a part that exists cannot be used.
    """
    subject = PrincipalId(issuer=LOCAL_ISSUER, subject=administrator)
    made = list(_files(config))
    settings = load_settings(config)
    async with open_control_plane(settings, config.parent, serving=False) as plane:
        principal = Principal(id=subject, display=administrator, groups=frozenset({ADMINISTRATORS}))
        try:
            await add_account(plane.around, SYSTEM, principal)
        except ConflictError:
            return Initialised(made=tuple(made), token=None)
        token = await issue_token(plane.around, SYSTEM, subject)
        return Initialised(made=tuple(made), token=token)


def _files(config: Path) -> Iterator[Path]:
    starter = resources.files("protem.bootstrap") / "starter" / "protem.toml"
    if not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        with config.open("xb") as file:
            file.write(starter.read_bytes())
        yield config
    settings = load_settings(config)
    state = StateFolder(path=config.parent / settings.server.state_dir)
    if state.create():
        yield state.path
    for key in (state.audit_key, state.order_key):
        if not key.exists():
            create_key(key)
            yield key
    policy = config.parent / settings.policy.folder
    if not policy.exists():
        _copy(resources.files("protem.policy") / "starter", policy)
        yield policy


def _copy(source: Traversable, to: Path) -> None:
    """Copy a packaged folder whole or not at all."""
    half = to.with_name(f"{to.name}.half-made")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.is_file():
            (half / entry.name).write_bytes(entry.read_bytes())
    half.rename(to)
