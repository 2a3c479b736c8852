"""What an order must prove before anything is done about it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.connectors.postgresql.order_check import check_order
from protem.domain.errors import RefusedError
from protem.domain.identifiers import TargetName
from protem.domain.orders import Order, SignedOrder
from protem.testing.store_samples import ANNA, ORDERS_DB, SCOPE, START, grant_id

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
ORDER = Order(
    grant_id=grant_id(1),
    target=ORDERS_DB,
    principal=ANNA,
    scope=SCOPE,
    issued_at=START,
    provision_by=START + timedelta(seconds=25),
    expires_at=START + timedelta(hours=1),
    request_digest="sha256:" + "0" * 64,
)


def signed(order=ORDER, by=KEY):
    """An order with a signature."""
    return SignedOrder(order=order, key_id="k", signature=by.sign(order.canonical_bytes()))


def test_an_order_of_the_control_plane_for_this_target_is_obeyed():
    """Signature and target fit."""
    assert check_order(signed(), ORDERS_DB, PUBLIC) == ORDER


def test_an_order_signed_by_another_is_refused():
    """Another key's signature, and one over other words, count for nothing."""
    longer = replace(ORDER, expires_at=ORDER.expires_at + timedelta(hours=1))
    for wrong in (signed(by=OTHER), replace(signed(), order=longer)):
        with pytest.raises(RefusedError):
            check_order(wrong, ORDERS_DB, PUBLIC)


def test_an_order_for_another_target_is_refused():
    """However well it is signed."""
    with pytest.raises(RefusedError):
        check_order(signed(), TargetName("elsewhere"), PUBLIC)
