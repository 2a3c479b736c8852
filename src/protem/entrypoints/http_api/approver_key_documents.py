"""Approvers' keys and challenges as JSON."""

from __future__ import annotations

from typing import Any

from protem.domain.approval_signatures import (
    APPROVAL_NAMESPACE,
    POSSESSION_NAMESPACE,
    possession_message,
    ssh_message,
)
from protem.domain.approver_keys import ApproverKey, KeyChallenge
from protem.domain.instants import format_instant
from protem.services.view_approver_keys import SigningChallenge


def of_key(key: ApproverKey) -> dict[str, Any]:
    """Return ``ApproverKey``."""
    return {
        "id": key.id,
        "kind": key.kind,
        "name": key.name,
        "public_key": key.public_key,
        "declared": key.declared,
        "added_at": format_instant(key.added_at),
        "removed_at": None if key.removed_at is None else format_instant(key.removed_at),
    }


def of_key_challenge(challenge: KeyChallenge) -> dict[str, Any]:
    """Return what a new ssh key signs."""
    return {
        "namespace": POSSESSION_NAMESPACE,
        "message": possession_message(challenge.text).decode(),
        "expires_at": format_instant(challenge.expires_at),
    }


def of_challenge(challenge: SigningChallenge) -> dict[str, Any]:
    """Return what an approver signs, in both ways."""
    return {
        "digest": challenge.digest,
        "webauthn": dict(challenge.webauthn),
        "ssh": {
            "namespace": APPROVAL_NAMESPACE,
            "message": ssh_message(challenge.digest).decode(),
        },
    }
