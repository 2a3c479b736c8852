"""The composition root of the control plane: the one place that knows every adapter.

Here: from settings to a working whole, and back to nothing. Not here: HTTP (entrypoints.http_api)
and the loops themselves (background_loops).

Invariants: everything that was opened is closed, in reverse; at most one control plane serves a
state folder.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from pathlib import Path

from protem.audit.checkpoint import key_of
from protem.audit.publisher import AuditPublisher
from protem.bootstrap.approver_signatures import declared_keys, signature_checker
from protem.bootstrap.background_loops import BackgroundLoops
from protem.bootstrap.certificates import certificate_files
from protem.bootstrap.declared_channels import declared_channels
from protem.bootstrap.declared_rotas import linked_and_on_call, opened_rotas
from protem.bootstrap.plane import ControlPlane
from protem.bootstrap.published_log import PublishedLog
from protem.bootstrap.settings import Settings, declared_principal
from protem.bootstrap.sign_in_ways import WaysToSignIn, accounts_of, ways_to_sign_in
from protem.bootstrap.state_folder import StateFolder
from protem.bootstrap.target_catalogue import declared_targets
from protem.domain.errors import AuditUnavailableError
from protem.notifications.alarm_bell import AlarmBell
from protem.notifications.server_log import ServerLogNotifier
from protem.policy.cedar_policy import CedarPolicy
from protem.ports.identity_provider import IdentityProvider
from protem.ports.rota import Rota
from protem.services.channels import Channel
from protem.services.declare_approver_keys import declare_approver_keys
from protem.services.ends_to_attest import EndsToAttest
from protem.services.keep_time import recall_time
from protem.services.manage_accounts import declare_accounts
from protem.services.reconcile_grants import ReconcileGrants
from protem.services.surroundings import Limits, Surroundings
from protem.services.take_over_work import take_over_work
from protem.signing.local_key import LocalKey, load_key
from protem.storage.sqlite_store import SqliteStore
from protem.system.announcer import LocalAnnouncer
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness

_LOOKS_COUNT_FOR_SECONDS = 3.0
"""The log is published, and its files looked at, about every second."""


@asynccontextmanager
async def open_control_plane(
    settings: Settings, folder: Path, *, serving: bool = True
) -> AsyncIterator[ControlPlane]:
    """Open everything that a settings file in ``folder`` declares.

    Args:
        settings: the file.
        folder: where it is; paths in it are relative to this.
        serving: hold the state folder for this process. Account commands do not: the store keeps
            processes apart, and a server notices what they did within a second.

    Raises:
        ConflictError: when another process has the state folder.
        ProtemError: when a part cannot be opened; it says which and what to do.
    """
    state = StateFolder(path=folder / settings.server.state_dir)
    async with AsyncExitStack() as opened:
        state.check()
        opened.enter_context(state.locked() if serving else nullcontext())
        order_key, audit_key = load_key(state.order_key), load_key(state.audit_key)
        catalogue = declared_targets(settings, folder, order_key.public_key)
        store = await SqliteStore.open(state.database)
        opened.push_async_callback(store.close)
        opened.push_async_callback(catalogue.close)
        kept = folder / settings.audit.folder if settings.audit.folder else state.audit
        audit_log = _audit_log(settings, kept, store, audit_key, serving=serving)
        opened.push_async_callback(audit_log.close)
        clock, randomness = await _clock_of(store), SystemRandomness()
        ways = ways_to_sign_in(settings.identity, folder, clock=clock, randomness=randomness)
        opened.push_async_callback(ways.close)
        channels = _open_channels(opened, settings, folder, clock)
        ends, owner = EndsToAttest(), _name_of_this_run(clock, randomness)
        reconciler = ReconcileGrants(lambda: around, owner=owner, on_ended=ends.note)
        around = Surroundings(
            store=store,
            policy=CedarPolicy.load(folder / settings.policy.folder),
            catalogue=catalogue,
            identity=_people(settings, ways, store, clock),
            clock=clock,
            randomness=randomness,
            audit_log=audit_log,
            order_signer=order_key,
            announcer=LocalAnnouncer(),
            work_queue=reconciler,
            limits=_limits(settings),
            signature_check=signature_checker(settings),
            channels=channels,
            alarms=_alarms(channels, settings),
        )
        await _begin(around, settings, serving=serving)
        rotas = opened_rotas(opened, settings.oncall, folder, asked=serving)
        yield ControlPlane(
            around=around,
            loops=_loops(around, reconciler, ends, settings, rotas),
            proofs=PublishedLog(audit_log.folder, key_of(audit_key, settings.audit.origin)),
            private_files=(state.audit_key, state.order_key),
            certificates=certificate_files(settings, folder),
            sign_in=ways.providers,
            workloads=ways.workloads,
        )


def _people(
    settings: Settings, ways: WaysToSignIn, store: SqliteStore, clock: SystemClock
) -> IdentityProvider:
    accounts = accounts_of(settings.identity, ways, store, clock)
    return linked_and_on_call(settings, accounts, store, clock)


def _open_channels(
    opened: AsyncExitStack, settings: Settings, folder: Path, clock: SystemClock
) -> tuple[Channel, ...]:
    channels = tuple(declared_channels(settings, folder, clock=clock))
    for channel in channels:
        opened.push_async_callback(channel.notifier.close)
    return channels


def _alarms(channels: Sequence[Channel], settings: Settings) -> AlarmBell:
    """Return every channel, and the server's own log, which is always there."""
    notifiers = [*(channel.notifier for channel in channels), ServerLogNotifier()]
    return AlarmBell(notifiers, wait=settings.break_glass.alarm_wait)


def _audit_log(
    settings: Settings, folder: Path, store: SqliteStore, key: LocalKey, *, serving: bool
) -> AuditPublisher:
    return AuditPublisher(
        store=store,
        signer=key,
        folder=folder,
        origin=settings.audit.origin,
        looks_count_for=_LOOKS_COUNT_FOR_SECONDS if serving else 0.0,
    )


async def _clock_of(store: SqliteStore) -> SystemClock:
    clock = SystemClock()
    await recall_time(store, clock)
    return clock


def _name_of_this_run(clock: SystemClock, randomness: SystemRandomness) -> str:
    """Return a name that no other process ever had: process ids come again."""
    return f"{socket.gethostname()}:{os.getpid()}:{randomness.grant_id(clock.now())}"


async def _begin(around: Surroundings, settings: Settings, *, serving: bool) -> None:
    await _declare_users(around, settings)
    if serving:
        await _take_over(around)


async def _take_over(around: Surroundings) -> None:
    """Go on with what a dead run had leased; on a disk that is full its leases run out instead."""
    with suppress(AuditUnavailableError):
        await take_over_work(around)


async def _declare_users(around: Surroundings, settings: Settings) -> None:
    users = settings.identity.local.users
    await declare_accounts(around, [declared_principal(name, settings) for name in users])
    await declare_approver_keys(around, declared_keys(settings))


def _loops(
    around: Surroundings,
    reconciler: ReconcileGrants,
    ends: EndsToAttest,
    settings: Settings,
    rotas: Sequence[Rota],
) -> BackgroundLoops:
    declared = settings.limits
    return BackgroundLoops(
        around=around,
        reconciler=reconciler,
        ends=ends,
        observe_every=declared.observe_every,
        statement_every=declared.statement_every,
        rotas=rotas,
        refresh_rotas_every=settings.oncall.refresh_every,
        rotas_ahead=settings.oncall.longest_age + settings.oncall.refresh_every,
    )


def _limits(declared: Settings) -> Limits:
    return Limits(
        most_waiting=declared.limits.most_waiting,
        request_lapses_after=declared.limits.request_lapses_after,
        approval_lapses_after=declared.limits.approval_lapses_after,
        session_lifetime=declared.identity.sessions.lifetime,
        session_idle=declared.identity.sessions.idle,
        glass_longest=declared.break_glass.longest,
        glass_review_within=declared.break_glass.review_within,
        alarm_wait=declared.break_glass.alarm_wait,
    )
