"""What every store promises of terminals that wait to be signed in; part of ``store_contract``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protem.domain.device_sign_ins import DeviceSignIn, DeviceVerdict
from protem.domain.errors import ConflictError
from protem.ports.store import Store
from protem.testing.store_samples import ANNA, MINUTE, START

FIRST, SECOND = b"\x01" * 32, b"\x02" * 32
ASKED = DeviceSignIn(user_code="BCDF-GHJK", said="protem/1", address="127.0.0.1", at=START)
LATER = replace(ASKED, user_code="LMNP-QRST", at=START + MINUTE, port=65_535)


class StoreDeviceContract:
    """Terminals that ask."""

    async def test_a_terminal_is_found_by_either_code(self, store: Store) -> None:
        """It comes back equal by the long code and by the short one, and by no other."""
        await store.write(lambda tx: tx.devices.add(FIRST, ASKED))
        assert await store.read(lambda tx: tx.devices.get(FIRST)) == ASKED
        assert await store.read(lambda tx: tx.devices.find(ASKED.user_code)) == ASKED
        assert await store.read(lambda tx: tx.devices.get(SECOND)) is None
        assert await store.read(lambda tx: tx.devices.find("bcdf-ghjk")) is None
        assert await store.read(lambda tx: tx.devices.count()) == 1

    @pytest.mark.parametrize(
        ("code_hash", "asked"), [(FIRST, LATER), (SECOND, ASKED)], ids=["long", "short"]
    )
    async def test_no_two_terminals_share_a_code(
        self, store: Store, code_hash: bytes, asked: DeviceSignIn
    ) -> None:
        """A second one with a known code is a conflict and changes nothing."""
        await store.write(lambda tx: tx.devices.add(FIRST, ASKED))
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.devices.add(code_hash, asked))
        assert await store.read(lambda tx: tx.devices.get(FIRST)) == ASKED
        assert await store.read(lambda tx: tx.devices.count()) == 1

    async def test_an_answer_is_kept_for_the_one_that_asked(self, store: Store) -> None:
        """And is nobody's when that one is gone."""
        await store.write(lambda tx: tx.devices.add(FIRST, ASKED))
        await store.write(lambda tx: tx.devices.add(SECOND, LATER))
        answered = replace(
            ASKED,
            verdict=DeviceVerdict.APPROVED,
            by=ANNA,
            proof=b"\x03" * 32,
            session=b"\x04" * 32,
        )
        await store.write(lambda tx: tx.devices.save(answered))
        assert await store.read(lambda tx: tx.devices.get(FIRST)) == answered
        assert await store.read(lambda tx: tx.devices.get(SECOND)) == LATER
        assert await store.write(lambda tx: tx.devices.drop(FIRST))
        await store.write(lambda tx: tx.devices.save(answered))
        assert await store.read(lambda tx: tx.devices.get(FIRST)) is None

    async def test_a_terminal_is_dropped_once_and_old_ones_are_forgotten(
        self, store: Store
    ) -> None:
        """Of two who use up a code one learns that it was the first."""
        await store.write(lambda tx: tx.devices.add(FIRST, ASKED))
        await store.write(lambda tx: tx.devices.add(SECOND, LATER))
        assert await store.write(lambda tx: tx.devices.drop(SECOND))
        assert not await store.write(lambda tx: tx.devices.drop(SECOND))
        assert await store.write(lambda tx: tx.devices.forget_before(START - MINUTE)) == 0
        assert await store.write(lambda tx: tx.devices.forget_before(START)) == 1
        assert await store.read(lambda tx: tx.devices.count()) == 0
