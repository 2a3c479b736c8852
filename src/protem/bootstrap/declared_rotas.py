"""From ``[oncall]`` to rotas that can be asked, and to principals that are on call.

Here: one rota a schedule, and the identity provider through which their answers count. Not here:
the settings' shape (oncall_settings), and asking (background_loops).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from protem.bootstrap.oncall_settings import (
    FileSchedule,
    IcsSchedule,
    OncallSettings,
    PagerDutySettings,
    Schedule,
    account_named,
)
from protem.bootstrap.settings import Settings, linked_identities
from protem.domain.errors import InvalidError
from protem.domain.oncall import ScheduleName
from protem.domain.weekly_windows import zone_named
from protem.identity.linked_persons import LinkedPersons
from protem.identity.with_rota import WithRota
from protem.ports.clock import Clock
from protem.ports.identity_provider import IdentityProvider
from protem.ports.rota import Rota
from protem.ports.store import Store
from protem.rota.calendar_file import CalendarFile
from protem.rota.pagerduty import PagerDutySchedule, pagerduty_source
from protem.rota.people import People
from protem.rota.web_source import WebSource, checked_address

_LOCAL = "local"


def linked_and_on_call(
    settings: Settings, identity: IdentityProvider, store: Store, clock: Clock
) -> IdentityProvider:
    """Return ``identity`` with persons linked, and those on call in their groups."""
    firsts = linked_identities(settings.identity)
    return WithRota(
        identity=LinkedPersons(identity, firsts),
        store=store,
        clock=clock,
        schedules=settings.oncall.names,
        longest_age=settings.oncall.longest_age,
        firsts=firsts,
    )


def opened_rotas(
    opened: AsyncExitStack, settings: OncallSettings, folder: Path, *, asked: bool
) -> Sequence[Rota]:
    """Return the declared rotas, or none where nobody asks them; ``opened`` closes them."""
    rotas = declared_rotas(settings, folder) if asked else []
    for rota in rotas:
        opened.push_async_callback(rota.close)
    return rotas


def declared_rotas(settings: OncallSettings, folder: Path) -> list[Rota]:
    """Return the rota of each schedule; the caller closes them.

    Args:
        settings: ``[oncall]``.
        folder: that of the settings file; paths are relative to it.

    Raises:
        InvalidError: when an address may not be read, or a secret cannot be.
    """
    accounts = {
        name.strip().casefold(): account_named(who) for name, who in settings.people.items()
    }
    return [
        _rota(ScheduleName(name), declared, People(accounts=accounts), folder)
        for name, declared in settings.schedules.items()
    ]


def _rota(name: ScheduleName, declared: Schedule, people: People, folder: Path) -> Rota:
    where = f"oncall.schedules.{name}"
    if isinstance(declared, FileSchedule):
        own = People(accounts=people.accounts, issuer=_LOCAL)
        return CalendarFile(schedule=name, path=folder / declared.path, people=own)
    if isinstance(declared, PagerDutySettings):
        return PagerDutySchedule(
            schedule=name,
            schedule_id=declared.schedule_id,
            people=people,
            web=pagerduty_source(declared.token.read(f"{where}.token", folder)),
            api=checked_address(declared.api).rstrip("/"),
        )
    return _ics_feed(name, declared, people, folder)


def _ics_feed(name: ScheduleName, declared: IcsSchedule, people: People, folder: Path) -> Rota:
    try:
        from protem.rota.ics_feed import IcsFeed  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InvalidError(
            f"oncall.schedules.{name} needs {error.name}, which is not installed",
            next_step="pip install 'protem[rota]'",
        ) from error
    zone = zone_named(declared.time_zone)
    if declared.url is None:
        path = folder / (declared.path or "")
        return IcsFeed(schedule=name, address=path, people=people, zone=zone)
    where = f"oncall.schedules.{name}"
    url = declared.url
    text = url if isinstance(url, str) else url.read(f"{where}.url", folder).reveal()
    return IcsFeed(
        schedule=name,
        address=checked_address(text),
        people=people,
        zone=zone,
        web=WebSource(f"the calendar of schedule {name}"),
    )
