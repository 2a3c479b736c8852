"""Approvers' keys and signed approvals over HTTP, on the fakes."""

from urllib.parse import quote

import pytest
from tests.integration.control_plane_in_memory import WRITE, running

from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction, Signing
from protem.domain.identifiers import GroupName
from protem.testing.in_memory_policy import FixedRule
from protem.testing.software_keys import InsecureAuthenticator, InsecureSshKey

KEYS = "/v1/approver-keys"


@pytest.fixture
async def stage():
    """A running control plane whose writes need a signed yes."""
    async with running() as made:
        policy = made.plane.around.policy
        need = ApprovalRequirement(
            count=1, groups=frozenset({GroupName("owners")}), rule="key", signed=Signing.REQUIRED
        )
        signed = FixedRule(
            id="key",
            action=PolicyAction.REQUEST,
            outcome=Outcome.NEEDS_APPROVAL,
            approvals=(need,),
        )
        policy.change(signed, *policy._rules)
        yield made


async def test_an_ssh_key_from_registration_to_approval(stage):
    """Challenge, key, list, challenge of the request, signed review; then the key is removed."""
    signer = InsecureSshKey()
    wanted = (await stage.call("reviewer", "POST", f"{KEYS}/ssh/challenge")).json()
    proof = signer.sign(wanted["message"].encode(), wanted["namespace"])
    body = {"name": "laptop", "public_key": f"{signer.line} omar@laptop", "signature": proof}
    added = await stage.call("reviewer", "POST", f"{KEYS}/ssh", json=body)
    assert added.status_code == 201, added.text
    key = added.json()
    assert (key["kind"], key["name"], key["public_key"]) == ("ssh", "laptop", signer.line)
    again = await stage.call("reviewer", "POST", f"{KEYS}/ssh", json=body)
    assert (again.status_code, again.json()["code"]) == (410, "expired")
    assert (await stage.call("reviewer", "GET", KEYS)).json() == {"items": [key]}
    assert (await stage.call("requester", "GET", KEYS)).json() == {"items": []}

    grant = (await stage.ask(WRITE)).json()
    assert grant["decision"]["approvals"][0]["signed"] is True
    path = f"/v1/requests/{grant['id']}"
    challenge = (await stage.call("reviewer", "GET", f"{path}/challenge")).json()
    assert challenge["digest"] == grant["digest"]
    assert challenge["ssh"] == {
        "namespace": "approval@protem.dev",
        "message": f"{grant['digest']}\n",
    }
    review = {"digest": grant["digest"], "verdict": "approve"}
    refused = await stage.call("reviewer", "POST", f"{path}/reviews", json=review)
    assert (refused.status_code, refused.json()["code"]) == (403, "signature_required")
    assert refused.json()["next_step"].startswith("protem request approve")
    armoured = signer.sign(challenge["ssh"]["message"].encode(), challenge["ssh"]["namespace"])
    review["signature"] = {"kind": "ssh", "signature": armoured}
    reviewed = await stage.call("reviewer", "POST", f"{path}/reviews", json=review)
    assert reviewed.json()["state"] == "approved", reviewed.text
    assert "BEGIN SSH SIGNATURE" in reviewed.json()["approvals"][0]["signature"]

    place = f"{KEYS}/{quote(key['id'], safe='')}"
    assert (await stage.call("requester", "DELETE", place)).status_code == 404
    removed = await stage.call("reviewer", "DELETE", place)
    assert removed.json()["removed_at"] is not None
    assert (await stage.call("reviewer", "DELETE", place)).status_code == 409


async def test_a_browser_from_registration_to_approval(stage):
    """Options as the browser reads them, the new credential, the options whose challenge is it."""
    device = InsecureAuthenticator()
    options = (await stage.call("reviewer", "POST", f"{KEYS}/webauthn/options")).json()
    assert options["rp"]["id"] == "localhost"
    body = {"name": "phone", "credential": device.create(options)}
    added = await stage.call("reviewer", "POST", f"{KEYS}/webauthn", json=body)
    assert added.status_code == 201, added.text
    grant = (await stage.ask(WRITE)).json()
    path = f"/v1/requests/{grant['id']}"
    challenge = (await stage.call("reviewer", "GET", f"{path}/challenge")).json()
    assert [known["type"] for known in challenge["webauthn"]["allowCredentials"]] == ["public-key"]
    signature = {"kind": "webauthn", "credential": device.get(challenge["webauthn"])}
    review = {"digest": grant["digest"], "verdict": "approve", "signature": signature}
    reviewed = await stage.call("reviewer", "POST", f"{path}/reviews", json=review)
    assert reviewed.json()["state"] == "approved", reviewed.text


@pytest.mark.parametrize(
    ("signature", "status"),
    [
        ({"kind": "ssh", "signature": "x"}, 403),
        ({"kind": "webauthn", "credential": {}}, 403),
        ({"kind": "webauthn", "credential": {"rawId": 7, "response": []}}, 403),
        ({"kind": "pgp", "signature": "x"}, 422),
        ({"kind": "ssh", "signature": "x" * 20_000}, 422),
        ("x", 422),
    ],
    ids=str,
)
async def test_a_bad_signature_is_refused(stage, signature, status):
    """In words, with a stable code, and the request stays as it is."""
    grant = (await stage.ask(WRITE)).json()
    path = f"/v1/requests/{grant['id']}"
    review = {"digest": grant["digest"], "verdict": "approve", "signature": signature}
    refused = await stage.call("reviewer", "POST", f"{path}/reviews", json=review)
    assert refused.status_code == status, refused.text
    assert refused.json()["code"] in ("signature_refused", "invalid")
    now = (await stage.call("reviewer", "GET", path)).json()
    assert (now["state"], now["approvals"]) == ("pending", [])


async def test_agents_and_strangers_get_no_further(stage):
    """An agent registers no key; who may not see a request gets no challenge of it."""
    agent = await stage.call("reviewer-agent", "POST", f"{KEYS}/ssh/challenge")
    assert agent.status_code == 403
    agent = await stage.call("reviewer-agent", "POST", f"{KEYS}/webauthn/options")
    assert agent.status_code == 403
    grant = (await stage.ask(WRITE)).json()
    stranger = await stage.call("stranger", "GET", f"/v1/requests/{grant['id']}/challenge")
    assert stranger.status_code == 404
    nobody = await stage.call(None, "GET", KEYS)
    assert nobody.status_code == 401
