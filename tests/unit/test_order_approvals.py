"""A target that keeps its own list of approvers' keys obeys only what they signed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.bootstrap.approver_signatures import approvals_check
from protem.connectors.postgresql.order_check import check_order
from protem.domain.approval_signatures import (
    APPROVAL_NAMESPACE,
    ApprovalSignature,
    ssh_message,
)
from protem.domain.approver_keys import KeyKind
from protem.domain.errors import InvalidError, RefusedError
from protem.domain.orders import Order, SignedOrder
from protem.domain.principals import PrincipalId
from protem.domain.scopes import Privilege, Scope
from protem.signing.allowed_signers import read_allowed_signers
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site
from protem.testing.signature_check_contract import assertion, registered
from protem.testing.software_keys import InsecureAuthenticator, InsecureSshKey
from protem.testing.store_samples import ORDERS_DB, START, grant_id, revision

SERVER = Ed25519PrivateKey.generate()
OMAR, EVE = InsecureSshKey(), InsecureSshKey()
REVISION = revision(1)


def approval(signer=OMAR, reviewer="local|omar", digest=REVISION.digest, **fields):
    """A signed yes as an order carries it."""
    armoured = signer.sign(ssh_message(digest), APPROVAL_NAMESPACE)
    signature = SignatureChecker().read(KeyKind.SSH, armoured)
    form = {
        "reviewer": reviewer,
        "verdict": "approve",
        "digest": digest,
        "signature": signature.to_text(),
    }
    return form | fields


ORDER = Order(
    grant_id=grant_id(1),
    target=ORDERS_DB,
    principal=REVISION.principal,
    scope=REVISION.plan.scope,
    issued_at=START,
    provision_by=START + timedelta(seconds=25),
    expires_at=START + REVISION.duration,
    request_digest=REVISION.digest,
    decision={"approvals": [{"count": 1, "groups": [], "rule": "r", "signed": True}]},
    approvals=(approval(),),
    request=REVISION.to_json(),
)


@pytest.fixture
def obeys(tmp_path):
    """Whether the connector obeys an order that the control plane signed."""
    path = tmp_path / "approvers"
    path.write_text(f"# the owners\nlocal|omar {OMAR.line} laptop\nlocal|eve {EVE.line}\n")
    check = approvals_check("orders-db", "approvers", tmp_path)

    def ask(order):
        signed = SignedOrder(
            order=order, key_id="k", signature=SERVER.sign(order.canonical_bytes())
        )
        key = SERVER.public_key().public_bytes_raw()
        try:
            check_order(signed, ORDERS_DB, key, check)
        except RefusedError as error:
            return "checks approvals itself" not in error.message
        return True

    ask.path = path
    return ask


def test_what_people_signed_is_obeyed(obeys):
    """One or two of the list, and after a journey through JSON, too."""
    assert obeys(ORDER)
    assert obeys(Order.from_json(ORDER.to_json()))
    assert obeys(replace(ORDER, approvals=(approval(), approval(EVE, "local|eve"))))


WIDER = Scope([Privilege(kind="table", path=("shop", "orders"), action="DELETE")])


@pytest.mark.parametrize(
    "change",
    [
        {"approvals": ()},
        {"approvals": (), "decision": {"approvals": []}},
        {"approvals": (approval(signature=None),)},
        {"approvals": (approval(signature="x"),)},
        {"approvals": (approval(InsecureSshKey()),)},
        {"approvals": (approval(OMAR, "local|eve"),)},
        {"approvals": (approval(digest="sha256:" + "0" * 64),)},
        {"approvals": (approval(verdict="deny"),)},
        {"decision": {"approvals": [{"count": 2, "groups": [], "rule": "r"}]}},
        {"approvals": (approval(), approval()), "decision": {"approvals": [{"count": 2}]}},
        {"scope": WIDER},
        {"principal": PrincipalId(issuer="local", subject="mallory")},
        {"grant_id": grant_id(2)},
        {"expires_at": START + timedelta(hours=5)},
        {"request": None},
        {"request": {**REVISION.to_json(), "reason": "another"}},
        {"request": replace(REVISION, reason="another").to_json()},
    ],
    ids="-".join,
)
def test_a_control_plane_that_was_taken_over_cannot_grant(obeys, change):
    """However well it signs: missing, forged or borrowed approvals, and other content, are none."""
    assert not obeys(replace(ORDER, **change))


def test_the_requesters_own_key_is_no_approval(obeys):
    """Even if the list has it."""
    obeys.path.write_text(f"local|anna {OMAR.line}\n")
    assert str(REVISION.principal) == "local|anna"
    assert not obeys(replace(ORDER, approvals=(approval(OMAR, "local|anna"),)))


def test_a_key_that_left_the_list_counts_no_more(obeys):
    """From the next order on; a list that is gone or broken lets nothing through."""
    assert obeys(ORDER)
    for text in (f"local|eve {EVE.line}\n", "", "not a list\n"):
        obeys.path.write_text(text)
        assert not obeys(ORDER)
    obeys.path.unlink()
    assert not obeys(ORDER)


def test_a_webauthn_key_can_be_on_the_list():
    """As the line that the list of keys shows; its assertion is checked by the site it names."""
    checker, device = SignatureChecker(), InsecureAuthenticator()
    from_site = approver_of(device)
    keys = read_allowed_signers(f"local|omar {from_site.public_key}\n")
    signature = assertion_of(device, from_site)
    again = ApprovalSignature.from_text(signature.to_text())
    checker.check(keys[signature.key_id], again, REVISION.digest)


def approver_of(device):
    """A device registered at localhost."""
    return registered(at_localhost(), device)


def assertion_of(device, key):
    """Its assertion over the digest of the request."""
    return assertion(at_localhost(), device, key, REVISION.digest)


def at_localhost():
    """The checker of a server."""
    return SignatureChecker(Site(rp_id="localhost"))


@pytest.mark.parametrize(
    "text",
    [
        "omar " + OMAR.line,
        f"local|omar cert-authority {OMAR.line}",
        f'local|omar valid-before="20300101" {OMAR.line}',
        "local|omar webauthn x",
        f"local|omar {OMAR.line}\nlocal|eve {OMAR.line}",
        "local|omar",
    ],
    ids=["no issuer", "authority", "dated", "no key", "two owners", "no kind"],
)
def test_a_list_that_is_not_understood_whole_is_refused(text):
    """Nothing in it is passed over in silence."""
    with pytest.raises(InvalidError, match="line"):
        read_allowed_signers(text)
