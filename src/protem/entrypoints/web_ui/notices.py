"""What a page says of what was just done: from a fixed list, never from the address itself.

Here: the sentences. Not here: who is redirected where.
"""

from __future__ import annotations

from fastapi import Request

NOTICES = {
    "approved": "Approved. Your yes is on record.",
    "denied": "Denied. The requester sees your comment.",
    "cancelled": "Cancelled.",
    "accepted": "Taken: the narrower offer is the request now.",
    "offered": "Offered. Your yes to it is on record; the requester is asked.",
    "glass-reviewed": "Reviewed. Your verdict is on record.",
    "commented": "Your comment is on record.",
    "edited": "Changed. Earlier approvals are void; approvers see the new request.",
    "extended": "More time is granted.",
    "extension-asked": "More time is asked for; it waits for approval.",
    "ending": "Ending now: sessions are cut, the privilege is removed, the target is read back.",
    "already": "Nothing to do: it is over, or on its way to be.",
    "key-added": "The key is registered.",
    "key-removed": "The key is removed. What it signed stays verifiable.",
}


def notice_of(request: Request) -> str:
    """Return the sentence that this page opens with, "" for none."""
    return NOTICES.get(request.query_params.get("done", ""), "")
