"""Approvers' keys: shown to be held, one person's each, declared or registered, on record."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.approval_signatures import (
    POSSESSION_NAMESPACE,
    SignatureRefusedError,
    possession_message,
)
from protem.domain.approver_keys import CHALLENGE_LIFETIME, MOST_KEYS, KeyKind
from protem.domain.errors import (
    ConflictError,
    DeniedError,
    ExpiredError,
    InvalidError,
    NotFoundError,
)
from protem.domain.principals import PrincipalKind
from protem.policy.cedar_policy import CedarPolicy
from protem.ports.store import Account
from protem.services.declare_approver_keys import declare_approver_keys
from protem.services.register_approver_key import challenge_for_key, register_ssh_key
from protem.services.remove_approver_key import remove_approver_key
from protem.services.view_approver_keys import list_approver_keys
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site
from protem.testing.software_keys import InsecureSshKey

from .conftest import person
from .test_signing_approvals import POLICY, add_ssh_key


@pytest.fixture
def signing(company, tmp_path):
    """The company, with a server that checks signatures."""
    (tmp_path / "rules.cedar").write_text(POLICY.format(signed="required"))
    company.around = replace(
        company.around,
        policy=CedarPolicy.load(tmp_path),
        signature_check=SignatureChecker(Site(rp_id="localhost")),
    )
    return company


async def test_a_challenge_serves_once_in_time_and_for_its_owner(signing):
    """Late, twice, somebody else's or none: no key."""
    signer = InsecureSshKey()
    around = signing.around
    with pytest.raises(ExpiredError):
        await register_ssh_key(around, signing.omar, "", signer.line, "x")
    challenge = await challenge_for_key(around, signing.omar, KeyKind.SSH)
    proof = signer.sign(possession_message(challenge.text), POSSESSION_NAMESPACE)
    with pytest.raises(ExpiredError):
        await register_ssh_key(around, signing.eve, "", signer.line, proof)
    other = InsecureSshKey().sign(possession_message(challenge.text), POSSESSION_NAMESPACE)
    with pytest.raises(SignatureRefusedError):
        await register_ssh_key(around, signing.omar, "", signer.line, other)
    await register_ssh_key(around, signing.omar, "", signer.line, proof)
    with pytest.raises(ExpiredError):
        await register_ssh_key(around, signing.omar, "", signer.line, proof)
    await challenge_for_key(around, signing.omar, KeyKind.SSH)
    signing.clock.advance(CHALLENGE_LIFETIME)
    with pytest.raises(ExpiredError):
        await register_ssh_key(around, signing.omar, "", signer.line, proof)


async def test_a_key_is_one_persons_and_only_people_have_keys(signing):
    """Another cannot register it, in use or removed; a robot has none; there is a bound."""
    signer = InsecureSshKey()
    key = await add_ssh_key(signing, signing.omar, signer)
    with pytest.raises(ConflictError):
        await add_ssh_key(signing, signing.eve, signer)
    with pytest.raises(NotFoundError):
        await remove_approver_key(signing.around, signing.eve, key.id)
    await remove_approver_key(signing.around, signing.omar, key.id)
    with pytest.raises(ConflictError):
        await add_ssh_key(signing, signing.eve, signer)
    robot = person("robot", kind=PrincipalKind.AGENT, acts_for=signing.omar.id)
    with pytest.raises(DeniedError):
        await challenge_for_key(signing.around, robot, KeyKind.SSH)
    for _ in range(MOST_KEYS):
        await add_ssh_key(signing, signing.eve, InsecureSshKey())
    with pytest.raises(ConflictError):
        await add_ssh_key(signing, signing.eve, InsecureSshKey())


async def test_an_administrator_removes_anyones_key(signing):
    """And the log says who did."""
    key = await add_ssh_key(signing, signing.omar, InsecureSshKey())
    await remove_approver_key(signing.around, person("ada", "admins"), key.id)
    assert (await signing.entries())[-1]["actor"] == "local|ada"


async def test_declared_keys_follow_the_file(signing):
    """Added, left alone, removed with it; one that its owner removed does not come back."""
    await signing.store.write(lambda tx: tx.accounts.put(Account(principal=signing.omar)))
    signer, registered = InsecureSshKey(), InsecureSshKey()
    await add_ssh_key(signing, signing.omar, registered)
    lines = {signing.omar.id: [f"{signer.line} yubikey"]}

    async def in_use():
        keys = await list_approver_keys(signing.around, signing.omar)
        return {key.name for key in keys if key.in_use and key.declared}

    async def declare(declared):
        signing.clock.advance(timedelta(seconds=1))
        await declare_approver_keys(signing.around, declared)
        return await in_use()

    assert await declare(lines) == {"yubikey"}
    before = len(await signing.entries())
    assert await declare(lines) == {"yubikey"}
    assert len(await signing.entries()) == before
    key = (await list_approver_keys(signing.around, signing.omar))[-1]
    await remove_approver_key(signing.around, signing.omar, key.id)
    assert await declare(lines) == set()
    assert await declare({}) == set()
    assert await declare(lines) == {"yubikey"}
    assert await declare({}) == set()
    kinds = [e["kind"] for e in await signing.entries() if e["kind"].startswith("key.")]
    assert kinds == ["key.added", "key.added", "key.removed", "key.added", "key.removed"]


async def test_a_wrong_line_names_its_place(signing):
    """So that the administrator finds it."""
    with pytest.raises(InvalidError, match=r"identity\.local\.users\.omar\.approver_keys"):
        await declare_approver_keys(signing.around, {signing.omar.id: ["ssh-dss AAAA"]})
    line = InsecureSshKey().line
    with pytest.raises(ConflictError, match="two people"):
        await declare_approver_keys(
            signing.around, {signing.omar.id: [line], signing.eve.id: [line]}
        )
