"""What starting the command line loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = ("httpx2", "rich", "cryptography", "psycopg", "pydantic", "asyncio", "sqlalchemy")
_SCRIPT = """
import sys
sys.argv = ["protem", *{arguments!r}]
from protem.entrypoints.cli.main import main
try:
    main()
except SystemExit:
    pass
print("LOADED", *[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


def _loaded(arguments, heavy):
    script = _SCRIPT.format(arguments=arguments, heavy=heavy)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PROTEM_SERVER": ""},
    )
    return done.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["--version"], ["version"]])
def test_the_front_pages_load_nothing_at_all(arguments):
    """Help and version come up without even Click."""
    assert _loaded(arguments, (*_HEAVY, "click")) == []


@pytest.mark.parametrize(
    "arguments",
    [["run", "--help"], ["help", "exit-codes"], ["request", "show", "--help"], ["nonsense"]],
)
def test_commands_load_no_client_before_they_talk(arguments):
    """No HTTP client, driver or cryptography for a page of help or a usage error."""
    assert _loaded(arguments, tuple(name for name in _HEAVY if name != "asyncio")) == []


def test_the_guard_sees_what_is_loaded():
    """The check itself notices a module that is there."""
    assert _loaded(["nonsense"], ("click",)) == ["click"]
