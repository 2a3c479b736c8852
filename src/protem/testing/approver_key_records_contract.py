"""What every store promises of approvers' keys: part of ``store_contract.StoreContract``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protem.domain.approver_keys import ApproverKey, KeyChallenge, KeyKind, fingerprint_of
from protem.domain.errors import ConflictError, ExpiredError, InvalidError, NotFoundError
from protem.ports.store import Store
from protem.testing.store_samples import ANNA, BEN, MINUTE, START


def a_key(number: int = 1, **fields: object) -> ApproverKey:
    """Return the ``number``th key, Anna's unless said otherwise."""
    made = ApproverKey(
        id=fingerprint_of(b"%d" % number),
        owner=ANNA,
        kind=KeyKind.SSH,
        public_key=f"ssh-ed25519 AAAA{number}",
        name=f"key {number}",
        added_at=START + number * MINUTE,
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # any field


class StoreApproverKeyContract:
    """Approvers' keys and their challenges."""

    async def test_keys_come_back_whole_and_by_owner(self, store: Store) -> None:
        """A key round-trips; a person's keys come oldest first, another's are not among them."""
        first, second = a_key(1), a_key(2, kind=KeyKind.WEBAUTHN, sign_count=2**32 - 1)
        theirs = a_key(3, owner=BEN, declared=True, name="Ben's \U0001f511")
        for key in (second, theirs, first):
            await store.write(lambda tx, key=key: tx.approver_keys.put(key))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert await store.read(lambda tx: tx.approver_keys.get(second.id)) == second
        assert await store.read(lambda tx: tx.approver_keys.of(ANNA)) == (first, second)
        assert await store.read(lambda tx: tx.approver_keys.of(BEN)) == (theirs,)
        assert await store.read(lambda tx: tx.approver_keys.declared()) == (theirs,)
        with pytest.raises(NotFoundError):
            await store.read(lambda tx: tx.approver_keys.get("SHA256:none"))

    async def test_a_key_is_removed_and_added_again_by_its_owner(self, store: Store) -> None:
        """Name, moments, declaration and counter change."""
        key = a_key(1)
        changes = (
            key,
            key.removed(START + 5 * MINUTE),
            replace(key, added_at=START + 9 * MINUTE, declared=True, sign_count=7, name="again"),
        )
        for change in changes:
            await store.write(lambda tx, change=change: tx.approver_keys.put(change))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            assert await store.read(lambda tx: tx.approver_keys.get(key.id)) == change

    @pytest.mark.parametrize(
        "change", [{"owner": BEN}, {"public_key": "ssh-ed25519 BBBB"}], ids=["owner", "material"]
    )
    async def test_a_key_never_becomes_anothers(
        self, store: Store, change: dict[str, object]
    ) -> None:
        """Not in use, not removed: whose it is, and its material, stay."""
        key = a_key(1)
        await store.write(lambda tx: tx.approver_keys.put(key))
        for stored in (key, key.removed(START + 5 * MINUTE)):
            await store.write(lambda tx, stored=stored: tx.approver_keys.put(stored))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            with pytest.raises(ConflictError):
                await store.write(lambda tx: tx.approver_keys.put(replace(key, **change)))  # type: ignore[arg-type]  # any field
            assert await store.read(lambda tx: tx.approver_keys.get(key.id)) == stored

    async def test_a_challenge_serves_once_in_time(self, store: Store) -> None:
        """The newest of a person and kind; not twice, not late, not another's."""

        def a_challenge(text: str) -> KeyChallenge:
            return KeyChallenge(
                owner=ANNA, kind=KeyKind.SSH, text=text, expires_at=START + 10 * MINUTE
            )

        for text in ("first", "second"):
            await store.write(
                lambda tx, text=text: tx.approver_keys.put_challenge(a_challenge(text))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            )
        for owner, kind, late in (
            (BEN, KeyKind.SSH, 0),
            (ANNA, KeyKind.WEBAUTHN, 0),
            (ANNA, KeyKind.SSH, 10),
        ):
            with pytest.raises(ExpiredError):
                await store.write(
                    lambda tx, owner=owner, kind=kind, late=late: tx.approver_keys.take_challenge(  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                        owner, kind, now=START + late * MINUTE
                    )
                )
        taken = await store.write(
            lambda tx: tx.approver_keys.take_challenge(ANNA, KeyKind.SSH, now=START)
        )
        assert taken == a_challenge("second")
        with pytest.raises(ExpiredError):
            await store.write(
                lambda tx: tx.approver_keys.take_challenge(ANNA, KeyKind.SSH, now=START)
            )

    async def test_keys_are_read_only_in_a_read(self, store: Store) -> None:
        """A read writes no key and takes no challenge."""
        with pytest.raises(InvalidError):
            await store.read(lambda tx: tx.approver_keys.put(a_key(1)))
        with pytest.raises(InvalidError):
            await store.read(
                lambda tx: tx.approver_keys.take_challenge(ANNA, KeyKind.SSH, now=START)
            )
