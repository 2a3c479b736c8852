"""Whether the approvals in a log are signed by the keys that the log says were their approvers'.

Here: which key was whose when, from ``key.added`` and ``key.removed``; each signature by the key of
its moment; and of each grant that began, whether the approvals that had to be signed are. Not here:
cryptography (passed in), gaps and shapes (entry_rules).

Trust: a control plane that was taken over can write a ``key.added`` of its own. The log shows it,
and a list of keys kept outside closes it: with one, only keys count that it gives to that person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from protem.domain.approval_signatures import ApprovalSignature, SignatureFacts
from protem.domain.approver_keys import ApproverKey, KeyKind
from protem.domain.errors import ProtemError
from protem.domain.principals import PrincipalId

CheckSignature = Callable[[ApproverKey, ApprovalSignature, str], SignatureFacts]
_BEGIN = frozenset({"grant.activated", "grant.extended"})


class SignedApprovals:
    """Reads entries in order."""

    def __init__(
        self, check: CheckSignature, outside: Mapping[str, ApproverKey] | None = None
    ) -> None:
        """Begin with no key.

        Args:
            check: as ``SignatureCheck.check``.
            outside: the keys by id of a list kept outside; None: the log's own word is taken.
        """
        self._check = check
        self._outside = outside
        self._keys: dict[str, ApproverKey] = {}
        self._owners: dict[str, PrincipalId] = {}
        self._signers: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)

    def problem(self, entry: Mapping[str, Any]) -> str | None:
        """Take in one entry; return what is wrong with it, if anything."""
        kind = entry.get("kind")
        try:
            if kind in ("key.added", "key.removed"):
                return self._key(entry, added=kind == "key.added")
            if kind == "request.approved":
                return self._approved(str(entry["grant"]), entry["data"]["approval"])
            if kind in _BEGIN:
                return self._began(str(entry["grant"]), entry["data"])
        except ProtemError as error:
            return error.message
        except (AttributeError, KeyError, TypeError, ValueError):
            return "it is not an entry as docs/audit-log.md has it"
        return None

    def _key(self, entry: Mapping[str, Any], *, added: bool) -> str | None:
        data = entry["data"]
        key = ApproverKey(
            id=str(data["id"]),
            owner=PrincipalId.parse(data["owner"]),
            kind=KeyKind(data["key_kind"]),
            public_key=str(data["public_key"]),
            name=str(data["name"]),
            added_at=datetime.fromisoformat(entry["at"]),
        )
        owner = self._owners.setdefault(key.id, key.owner)
        if owner != key.owner:
            return f"key {key.id[:80]!a} was {str(owner)!a}'s, and is now {str(key.owner)!a}'s"
        if added:
            self._keys[key.id] = key
        elif self._keys.pop(key.id, None) is None:
            return f"it removes key {key.id[:80]!a}, which was not in use"
        return None

    def _approved(self, grant: str, approval: Mapping[str, Any]) -> str | None:
        if approval.get("signature") is None:
            return None
        signature = ApprovalSignature.from_text(approval["signature"])
        reviewer, digest = str(approval["reviewer"]), str(approval["digest"])
        key = self._trusted(signature.key_id, reviewer)
        if key is None:
            return f"key {signature.key_id[:80]!a} was not {reviewer!a}'s at that moment"
        self._check(key, signature, digest)
        self._signers[grant, digest][reviewer] = key.id
        return None

    def _trusted(self, key_id: str, reviewer: str) -> ApproverKey | None:
        key = self._keys.get(key_id)
        if key is not None and self._outside is not None:
            kept = self._outside.get(key_id)
            key = kept if kept is not None and kept.owner == key.owner else None
        return key if key is not None and str(key.owner) == reviewer else None

    def _began(self, grant: str, data: Mapping[str, Any]) -> str | None:
        needs = data.get("approvals_needed", ())
        wanted = sum(int(need["count"]) for need in needs if need.get("signed"))
        signers = self._signers.get((grant, str(data["digest"])), {})
        had = sum(key_id in self._keys for key_id in signers.values())
        if had < wanted:
            return f"{wanted} approvals had to be signed, and the log has {had} that are"
        return None
