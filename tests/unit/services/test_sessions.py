"""Sessions: their facts, their end by idleness and by age, and who may end which."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.bearer_tokens import SESSION_IDLE, SESSION_LIFETIME, fingerprint
from protem.domain.device_sign_ins import LIFETIME, DeviceVerdict
from protem.domain.errors import (
    DeniedError,
    NotFoundError,
    RetryLaterError,
    UnauthenticatedError,
)
from protem.domain.principals import Principal, PrincipalKind
from protem.domain.proved_people import ProvedPerson
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import MAX_CLIENT, SignInMethod
from protem.identity.local import LocalIdentity
from protem.ports.store import Account
from protem.services.manage_accounts import disable_account, issue_token
from protem.services.manage_sessions import (
    end_all_sessions,
    end_session,
    keep_sessions,
    list_sessions,
    refuse_if_lent,
    session_of,
)
from protem.services.open_session import new_session
from protem.services.sign_in import SignInRules, sign_in, sign_in_proved, sign_out
from protem.services.sign_in_by_device import (
    MOST_PENDING,
    answer_device,
    begin_device_sign_in,
    look_at_device,
    redeem_device_code,
)
from protem.testing.manual_clock import ManualClock
from tests.integration.control_plane_in_memory import build, local

ADA = Principal(id=local("ada"), display="Ada")
BEN = Principal(id=local("ben"), display="Ben")
MINUTE = timedelta(minutes=1)
NO_SESSION = Secret("a token of an account, which is no session")


@pytest.fixture
async def around():
    """Two people, and a clock that stands still."""
    stage, clock = build(), ManualClock()
    made = replace(stage.plane.around, clock=clock, identity=LocalIdentity(stage.store, clock))
    for principal in (ADA, BEN):
        account = Account(principal=principal)
        await stage.store.write(lambda tx, account=account: tx.accounts.put(account))
    return made


async def come_in(around, who=ADA, client="protem/1"):
    """Sign in with a one-time token; return the session's token."""
    issued = await issue_token(around, "operator", who.id)
    return (await sign_in(around, issued.token, client=client)).token


async def come_in_by_device(around, who=ADA):
    """Sign a terminal in from a browser; return its session's token."""
    codes = await begin_device_sign_in(around, said="somewhere", address="127.0.0.1")
    await answer_device(around, who, NO_SESSION, codes.user_code, DeviceVerdict.APPROVED)
    return (await redeem_device_code(around, codes.device_code)).token


async def proves(around, token):
    """Say whether the token proves anybody."""
    try:
        await around.identity.authenticate(token)
    except UnauthenticatedError:
        return False
    return True


async def test_a_session_knows_how_and_by_what_program_it_began(around):
    """What the program said of itself is one short line, whatever it said."""
    token = await come_in(around, client="protem/1\x1b[2J\u202e\n" + "x" * 500)
    session = await session_of(around, token)
    assert session.method is SignInMethod.ONE_TIME_TOKEN
    assert len(session.client) == MAX_CLIENT
    assert session.client.isprintable()
    assert session.expires_at - session.began_at == SESSION_LIFETIME
    await come_in(around)
    assert len({one.id for one in await list_sessions(around, ADA)}) == 2


async def test_a_session_that_nobody_used_is_over(around):
    """Exactly at the limit it still counts, after it no more; use prolongs it."""
    token = await come_in(around)
    around.clock.advance(SESSION_IDLE)
    assert await proves(around, token)
    around.clock.advance(SESSION_IDLE + MINUTE)
    assert around.clock.now() < (await session_of(around, token)).expires_at
    assert not await proves(around, token)
    assert await list_sessions(around, ADA) == ()


async def test_use_prolongs_nothing_beyond_the_lifetime(around):
    """A session that is used all the time ends all the same."""
    token = await come_in(around)
    for _ in range(11):
        around.clock.advance(timedelta(hours=1))
        assert await proves(around, token)
    around.clock.advance(timedelta(hours=1))
    assert not await proves(around, token)


async def test_use_is_put_on_record_and_outlives_the_process(around):
    """After a restart a session is as idle as it was on record."""
    token = await come_in(around)
    around.clock.advance(SESSION_IDLE)
    await around.identity.authenticate(token)
    assert await keep_sessions(around) == 0
    assert (await session_of(around, token)).used_at == around.clock.now()
    assert around.identity.uses() == {}
    restarted = replace(around, identity=LocalIdentity(around.store, around.clock))
    around.clock.advance(SESSION_IDLE)
    assert await proves(restarted, token)


async def test_what_is_over_is_forgotten_and_nothing_else(around):
    """Expired, idle and unused one-time tokens go; a session in use stays."""
    old = await come_in(around)
    await issue_token(around, "operator", BEN.id)
    around.clock.advance(SESSION_IDLE + MINUTE)
    young = await come_in(around, BEN)
    assert await keep_sessions(around) == 1
    assert await session_of(around, old) is None
    assert await proves(around, young)
    around.clock.advance(timedelta(hours=24))
    assert await keep_sessions(around) == 2
    assert await session_of(around, young) is None


async def test_one_ends_ones_own_sessions_only(around):
    """Another's is not found, though it is there; ended means at once."""
    mine, other = await come_in(around), await come_in(around)
    bens = await come_in(around, BEN)
    assert await proves(around, mine)
    session = await session_of(around, mine)
    with pytest.raises(NotFoundError):
        await end_session(around, BEN, session.id)
    await end_session(around, ADA, session.id)
    assert [await proves(around, token) for token in (mine, other, bens)] == [False, True, True]
    with pytest.raises(NotFoundError):
        await end_session(around, ADA, session.id)


async def test_all_of_them_end_at_once(around):
    """The present one, too; nobody else's."""
    tokens = [await come_in(around) for _ in range(3)]
    bens = await come_in(around, BEN)
    for token in tokens:
        await around.identity.authenticate(token)
    assert await end_all_sessions(around, ADA) == 3
    assert not any([await proves(around, token) for token in tokens])
    assert await proves(around, bens)


async def test_every_end_by_a_person_is_on_record(around):
    """Signing out, ending one and ending all name the session, and never its token."""
    tokens = [await come_in(around) for _ in range(3)]
    sessions = [await session_of(around, token) for token in tokens]
    await sign_out(around, ADA, tokens[0])
    await sign_out(around, ADA, tokens[0])
    await end_session(around, ADA, sessions[1].id)
    await end_all_sessions(around, ADA)
    entries = await around.store.read(lambda view: view.audit.entries(start=0, limit=100))
    ends = [entry.body.decode() for entry in entries if b"account.signed_out" in entry.body]
    assert len(ends) == 3
    for session, token, body in zip(sessions, tokens, ends, strict=True):
        assert session.id in body
        assert token.reveal() not in body
        assert fingerprint(token).hex() not in body


async def test_disabling_ends_sessions_with_their_facts(around):
    """Nothing of a session is left once its account is disabled."""
    token = await come_in(around)
    await disable_account(around, "operator", ADA.id)
    assert not await proves(around, token)
    assert await session_of(around, token) is None


async def test_a_session_by_device_code_is_told_apart(around):
    """It is the person's for most things, and not for those that a stolen one must not do."""
    lent = await come_in_by_device(around)
    assert await proves(around, lent)
    with pytest.raises(DeniedError):
        await refuse_if_lent(around, lent)
    await refuse_if_lent(around, await come_in(around))


async def begin_on_a_port(around):
    """Ask with a port, and say yes; return the codes and what the browser takes there."""
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1", port=50_000)
    answer = await answer_device(around, ADA, NO_SESSION, codes.user_code, DeviceVerdict.APPROVED)
    assert answer.port == 50_000
    return codes, answer.proof


async def test_a_terminal_on_the_browsers_machine_has_a_session_like_the_browsers(around):
    """It holds what the browser brought, so nobody elsewhere was signed in: it is not lent."""
    codes, proof = await begin_on_a_port(around)
    token = (await redeem_device_code(around, codes.device_code, proof)).token
    assert (await session_of(around, token)).method is SignInMethod.LOOPBACK
    await refuse_if_lent(around, token)
    with pytest.raises(UnauthenticatedError):
        await redeem_device_code(around, codes.device_code, proof)


@pytest.mark.parametrize("brought", [None, "", "x", "another's"])
async def test_a_terminal_elsewhere_gets_nothing_by_naming_a_port(around, brought):
    """Its person says yes, and the browser takes the proof to the person's own machine."""
    codes, _ = await begin_on_a_port(around)
    _, anothers = await begin_on_a_port(around)
    proof = anothers if brought == "another's" else brought
    shown = Secret(proof) if isinstance(proof, str) else proof
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            await redeem_device_code(around, codes.device_code, shown)
    assert await list_sessions(around, ADA) == ()


@pytest.mark.parametrize("port", [None, 50_000])
async def test_a_session_that_may_be_lent_signs_in_no_terminal(around, port):
    """Else it would make a better one of itself; it may refuse one."""
    lent = await come_in_by_device(around)
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1", port=port)
    with pytest.raises(DeniedError):
        await answer_device(around, ADA, lent, codes.user_code, DeviceVerdict.APPROVED)
    assert await redeem_device_code(around, codes.device_code) is None
    await answer_device(around, ADA, lent, codes.user_code, DeviceVerdict.DENIED)
    with pytest.raises(DeniedError):
        await redeem_device_code(around, codes.device_code)


@pytest.mark.parametrize("port", [None, 50_000])
async def test_a_terminals_session_ends_with_the_browsers(around, port):
    """It lasts no longer, and bears the marks by which a provider ends the browser's."""
    rules = SignInRules(session=30 * MINUTE)
    proved = ProvedPerson(id=ADA.id, display="Ada", provider="staff", marks=frozenset({b"m" * 32}))
    browser = await sign_in_proved(around, proved, rules)
    around.clock.advance(MINUTE)
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1", port=port)
    answer = await answer_device(
        around, ADA, browser.token, codes.user_code, DeviceVerdict.APPROVED
    )
    proof = None if port is None else answer.proof
    terminal = await redeem_device_code(around, codes.device_code, proof)
    assert terminal.expires_at == browser.expires_at
    await sign_out(around, ADA, browser.token)
    marked = await around.store.read(lambda view: view.sessions.marked(b"m" * 32))
    assert list(marked) == [ADA.id]


async def test_a_browser_that_was_signed_out_signs_in_no_terminal(around):
    """Its yes was a moment ago, and it is gone."""
    browser = await come_in(around)
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1")
    await answer_device(around, ADA, browser, codes.user_code, DeviceVerdict.APPROVED)
    await sign_out(around, ADA, browser)
    with pytest.raises(UnauthenticatedError):
        await redeem_device_code(around, codes.device_code)


async def test_a_code_to_compare_takes_no_proof(around):
    """A terminal that named no port cannot make its session a better one."""
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1")
    answer = await answer_device(around, ADA, NO_SESSION, codes.user_code, DeviceVerdict.APPROVED)
    assert answer.port is None
    with pytest.raises(UnauthenticatedError):
        await redeem_device_code(around, codes.device_code, answer.proof)


class LooksBeforeItWrites:
    """A store whose readers all have their answer before one of them writes."""

    def __init__(self, store):
        self.write, self._read = store.write, store.read

    async def read(self, work):
        """Read, and let others read."""
        found = await self._read(work)
        await asyncio.sleep(0)
        return found


async def test_a_terminals_code_makes_one_session_whatever_was_asked_at_once(around):
    """Of two that redeem it at the same moment one comes in."""
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1")
    assert await redeem_device_code(around, codes.device_code) is None
    await answer_device(around, ADA, NO_SESSION, codes.user_code, DeviceVerdict.APPROVED)
    slow = replace(around, store=LooksBeforeItWrites(around.store))
    both = await asyncio.gather(
        *(redeem_device_code(slow, codes.device_code) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["SignedIn", "UnauthenticatedError"]
    assert len(await list_sessions(around, ADA)) == 1


async def test_a_terminal_waits_for_ten_minutes_and_for_one_answer(around):
    """Too late, answered before, of a program, or unknown: there is no such code."""
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1")
    program = replace(ADA, kind=PrincipalKind.WORKLOAD)
    with pytest.raises(DeniedError):
        await answer_device(around, program, NO_SESSION, codes.user_code, DeviceVerdict.APPROVED)
    around.clock.advance(LIFETIME - timedelta(seconds=1))
    typed = codes.user_code.replace("-", " ").lower()
    assert (await look_at_device(around, typed)).user_code == codes.user_code
    around.clock.advance(timedelta(seconds=1))
    for code in (codes.user_code, "", "\u202e", "x" * 100_000):
        with pytest.raises(NotFoundError):
            await answer_device(around, ADA, NO_SESSION, code, DeviceVerdict.APPROVED)
    with pytest.raises(UnauthenticatedError):
        await redeem_device_code(around, codes.device_code)
    fresh = await begin_device_sign_in(around, said="x", address="127.0.0.1")
    await answer_device(around, ADA, NO_SESSION, fresh.user_code, DeviceVerdict.DENIED)
    with pytest.raises(NotFoundError):
        await answer_device(around, BEN, NO_SESSION, fresh.user_code, DeviceVerdict.APPROVED)
    with pytest.raises(DeniedError):
        await redeem_device_code(around, fresh.device_code)
    with pytest.raises(UnauthenticatedError):
        await redeem_device_code(around, fresh.device_code)


async def test_an_account_disabled_meanwhile_signs_in_no_terminal(around):
    """The yes came before; the code is used up all the same."""
    codes = await begin_device_sign_in(around, said="x", address="127.0.0.1")
    await answer_device(around, ADA, NO_SESSION, codes.user_code, DeviceVerdict.APPROVED)
    await disable_account(around, "operator", ADA.id)
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            await redeem_device_code(around, codes.device_code)


async def test_terminals_that_wait_are_bounded_and_forgotten(around):
    """Anybody can ask: what asked too long ago makes room."""
    for _ in range(MOST_PENDING):
        await begin_device_sign_in(around, said="x", address="127.0.0.1")
    with pytest.raises(RetryLaterError):
        await begin_device_sign_in(around, said="x", address="127.0.0.1")
    around.clock.advance(LIFETIME)
    await begin_device_sign_in(around, said="x", address="127.0.0.1")
    around.clock.advance(LIFETIME)
    await keep_sessions(around)
    assert await around.store.read(lambda view: view.devices.count()) == 0


def test_a_provider_may_have_a_lifetime_of_its_own(around):
    """Shorter or longer than everybody's."""
    new = new_session(around, SignInMethod.OIDC, lifetime=timedelta(hours=24))
    assert new.expires_at - new.began_at == timedelta(hours=24)
