"""The exit codes: frozen, public, and in this one place.

Here: the codes and the map from an error's stable ``code``. Not here: how an error is worded.
With ``protem run`` and ``protem psql`` the wrapped command's own code passes through instead, once
that command has started.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a script may rely on."""

    OK = 0
    ERROR = 1
    USAGE = 2
    DENIED = 3
    LOGIN_NEEDED = 4
    PENDING = 5
    EXPIRED_OR_REVOKED = 6
    SERVER_UNREACHABLE = 7
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.ERROR: "something failed; the message says what",
    ExitCode.USAGE: "the command line was not understood",
    ExitCode.DENIED: "policy or an approver said no",
    ExitCode.LOGIN_NEEDED: "not signed in, the sign-in has expired, or a signature is asked for",
    ExitCode.PENDING: "not yet: the request waits for approval, or the target is not read back",
    ExitCode.EXPIRED_OR_REVOKED: "the time is over, the grant was revoked, or the request lapsed",
    ExitCode.SERVER_UNREACHABLE: "the server does not answer",
    ExitCode.INTERRUPTED: "interrupted from the keyboard",
}

_OF_ERROR_CODE: dict[str, ExitCode] = {
    "denied": ExitCode.DENIED,
    "policy_denied": ExitCode.DENIED,
    "unauthenticated": ExitCode.LOGIN_NEEDED,
    "signature_required": ExitCode.LOGIN_NEEDED,
    "signature_refused": ExitCode.DENIED,
    "expired": ExitCode.EXPIRED_OR_REVOKED,
    "usage": ExitCode.USAGE,
    "pending": ExitCode.PENDING,
    "unreachable": ExitCode.SERVER_UNREACHABLE,
    "interrupted": ExitCode.INTERRUPTED,
}


def of_error_code(code: str) -> ExitCode:
    """Return the exit code for a problem's stable ``code``; unknown ones are plain errors."""
    return _OF_ERROR_CODE.get(code, ExitCode.ERROR)
