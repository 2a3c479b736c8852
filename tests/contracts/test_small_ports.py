"""The ports of one machine and one process: each promise, for the fake and for the real thing."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import protem.ports
import protem.testing
from protem.bootstrap.settings import Settings
from protem.bootstrap.target_catalogue import declared_targets
from protem.domain.errors import RetryLaterError
from protem.domain.identifiers import TargetName
from protem.domain.targets import Target
from protem.notifications.alarm_bell import AlarmBell
from protem.notifications.server_log import ServerLogNotifier
from protem.ports.alarms import NoAlarms
from protem.services.reconcile_grants import ReconcileGrants
from protem.signing.local_key import create_key, load_key
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site
from protem.system.announcer import LocalAnnouncer
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness
from protem.testing.alarms_contract import NOTICE, AlarmsContract
from protem.testing.announcer_contract import AnnouncerContract
from protem.testing.clock_contract import ClockContract
from protem.testing.counting_randomness import InsecureCountingRandomness
from protem.testing.fixed_signer import InsecureFixedSigner
from protem.testing.in_memory_catalogue import InMemoryCatalogue
from protem.testing.in_memory_connector import InMemoryConnector
from protem.testing.in_memory_planner import InMemoryPlanner
from protem.testing.manual_clock import ManualClock
from protem.testing.randomness_contract import RandomnessContract
from protem.testing.signature_check_contract import SignatureCheckContract
from protem.testing.signer_contract import SignerContract
from protem.testing.target_catalogue_contract import TargetCatalogueContract
from protem.testing.work_queue_contract import WorkQueueContract

NAMES = (TargetName("orders-db"), TargetName("archive-db"))


def modules(package):
    """The names of a package's modules."""
    return {path.stem for path in Path(package.__path__[0]).glob("*.py")} - {"__init__"}


def test_every_port_has_a_contract():
    """A new port fails here until its promises are written down where its authors find them."""
    contracts = {
        name.removesuffix("_contract") for name in modules(protem.testing) if "_contract" in name
    }
    assert modules(protem.ports) - contracts == set()


class TestSystemClock(ClockContract):
    """The machine's clock."""

    @pytest.fixture
    def clock(self):
        return SystemClock()


class TestManualClock(ClockContract):
    """The clock of tests."""

    @pytest.fixture
    def clock(self):
        return ManualClock()


class TestSystemRandomness(RandomnessContract):
    """The kernel's generator."""

    @pytest.fixture
    def randomness(self):
        return SystemRandomness()


class TestCountingRandomness(RandomnessContract):
    """The source of tests."""

    @pytest.fixture
    def randomness(self):
        return InsecureCountingRandomness()


class TestLocalKey(SignerContract):
    """A key in a private file."""

    @pytest.fixture
    def signer(self, tmp_path):
        create_key(tmp_path / "key")
        return load_key(tmp_path / "key")

    @pytest.fixture
    def another(self, tmp_path):
        return create_key(tmp_path / "another")


class TestFixedSigner(SignerContract):
    """The signer of tests."""

    @pytest.fixture
    def signer(self):
        return InsecureFixedSigner()

    @pytest.fixture
    def another(self):
        return InsecureFixedSigner(8)


class TestSignatureChecker(SignatureCheckContract):
    """The check of ssh and WebAuthn signatures."""

    @pytest.fixture
    def checker(self):
        return SignatureChecker(Site(rp_id="localhost"))


class TestLocalAnnouncer(AnnouncerContract):
    """News within one process."""

    @pytest.fixture
    def announcer(self):
        return LocalAnnouncer()


class TestInMemoryCatalogue(TargetCatalogueContract):
    """The catalogue of tests."""

    @pytest.fixture
    def catalogue(self):
        made = InMemoryCatalogue()
        for name in NAMES:
            target = Target(name=name, scheme="postgresql")
            made.declare(target, InMemoryConnector(ManualClock(), name=name), InMemoryPlanner({}))
        return made


class TestDeclaredTargets(TargetCatalogueContract):
    """The catalogue that a settings file declares."""

    @pytest.fixture
    async def catalogue(self, tmp_path, monkeypatch):
        monkeypatch.setenv("A_PASSWORD", "x" * 20)
        login = {"user": "protem", "password": {"env": "A_PASSWORD"}}
        target = {"scheme": "postgresql", "host": "127.0.0.1", "dbname": "shop"}
        target |= {"administrator": login, "planner": login}
        settings = Settings.model_validate({"targets": dict.fromkeys(NAMES, target)})
        key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        made = declared_targets(settings, tmp_path, key)
        yield made
        await made.close()


class TestReconcilerAsWorkQueue(WorkQueueContract):
    """The reconciler's own queue, not running."""

    @pytest.fixture
    def queue(self):
        return ReconcileGrants(lambda: None, owner="this-process")


class Channel:
    """A notifier that does what a test says."""

    def __init__(self, name, *, fails=None, hangs=False):
        self.name, self.fails, self.hangs = name, fails, hangs
        self.told = []

    async def deliver(self, notice):
        """Keep the notice, fail, or never come back."""
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails
        self.told.append(notice)


class TestNoAlarms(AlarmsContract):
    """A server without channels."""

    @pytest.fixture
    def alarms(self):
        return NoAlarms()


class TestAlarmBell(AlarmsContract):
    """All configured channels: one works, and the others fail in every way."""

    @pytest.fixture
    def alarms(self):
        channels = (
            Channel("hangs", hangs=True),
            Channel("away", fails=RetryLaterError("nobody listens")),
            Channel("broken", fails=ValueError("https://user:hunter2@chat")),
            Channel("works"),
            ServerLogNotifier(),
        )
        return AlarmBell(channels, wait=timedelta(milliseconds=20))

    async def test_one_that_works_is_told_though_others_fail(self, alarms):
        """Each failure is told apart; what an unknown error says is not repeated."""
        outcomes = {outcome.channel: outcome for outcome in await alarms.sound(NOTICE)}
        assert [name for name, found in outcomes.items() if found.delivered] == [
            "works",
            "server-log",
        ]
        assert outcomes["hangs"].error == "no answer within 0.02 s"
        assert outcomes["away"].error == "nobody listens"
        assert outcomes["broken"].error == "ValueError"
