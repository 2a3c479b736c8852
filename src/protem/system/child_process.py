"""Children that do not outlive us."""

from __future__ import annotations

import shutil


def dying_with_us() -> list[str]:
    """Return a prefix to an argument vector, so that the kernel ends the child when we die.

    Killed outright, a process cannot end its children itself (prctl(2), PR_SET_PDEATHSIG). Empty
    where util-linux is not installed: the child then ends when its own work does.
    """
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "TERM", "--"] if found else []
