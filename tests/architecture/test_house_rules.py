"""The tree keeps its own rules; every exception is listed here with its reason."""

import re
import subprocess
import sys

import pytest

from . import rules
from .house import ROOT, SOURCE, committed_files, python_files, shown

MAX_LINES = 400
BANNED_NAMES = {
    "utils", "helpers", "common", "misc", "base", "core", "manager", "handler", "types", "models",
}  # fmt: skip
CLOCK_READERS = {
    "src/protem/system/clock.py": "it is the clock",
    "src/protem/system/wall_clock.py": "it is what the wall shows, and nothing is decided by it",
}
FORMATTED_STATEMENTS = {
    "src/protem/storage/connections.py": "PRAGMA takes no parameters; both numbers are ours",
}
CHANCE_USERS = {
    "src/protem/testing/virtual_loop.py": "a seed must give the same order of tasks again",
}
LONG_FUNCTIONS = {
    "src/protem/storage/migrations/versions/0001_first_schema.py": "a schema is one list",
}
# Spelt in pieces so that this file does not contain what it looks for.
REGISTRIES = [
    "py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "crates" + ".io",
    "deb." + "debian.org", "--index" + "-url", "--extra-index" + "-url",
]  # fmt: skip
ELSEWHERE = ["/wo" + "rk/", "../sha" + "red", "chat" + "gpt", "cl" + "aude", "co" + "pilot"]

SOURCES = python_files(SOURCE)
TESTS = python_files(ROOT / "tests")
BENCHMARKS = python_files(ROOT / "benchmarks")


def offences(files, rule, excused=()):
    """Every offence against a rule, by file."""
    return {
        shown(path): found
        for path in files
        if shown(path) not in excused and (found := rule(path.read_text()))
    }


def test_no_module_is_longer_than_a_sitting():
    """400 lines are the most that anyone is asked to read at once."""
    long = {
        shown(path): len(path.read_text().splitlines()) for path in SOURCES + TESTS + BENCHMARKS
    }
    assert {name: lines for name, lines in long.items() if lines > MAX_LINES} == {}


def test_no_module_is_named_for_nothing():
    """A name says what is inside; the banned ones say only that it was left over."""
    names = {shown(path) for path in SOURCES if {path.stem, path.parent.name} & BANNED_NAMES}
    assert names == set()


def test_every_public_name_is_documented():
    """Modules, classes and functions say in a sentence what they promise."""
    assert offences(SOURCES, rules.undocumented) == {}


def test_every_test_says_what_it_promises():
    """A test without a sentence cannot be read when it fails."""
    assert offences(TESTS, rules.undocumented_tests) == {}


def test_functions_are_short():
    """A function fits on a screen."""
    assert offences(SOURCES, rules.long_functions, LONG_FUNCTIONS) == {}


def test_only_the_clock_tells_the_time():
    """The present moment comes in through the clock port."""
    assert offences(SOURCES, rules.reads_a_clock, CLOCK_READERS) == {}


def test_nothing_is_left_to_guessable_chance():
    """Numbers that matter come from the operating system's generator."""
    assert offences(SOURCES, rules.imports_chance, CHANCE_USERS) == {}


def test_no_process_is_started_through_a_shell():
    """Processes get argument vectors."""
    assert offences(SOURCES + BENCHMARKS, rules.starts_a_shell) == {}


def test_sql_is_composed_not_formatted():
    """No statement is made by pasting text together."""
    assert offences(SOURCES, rules.formats_sql, FORMATTED_STATEMENTS) == {}


def test_no_handler_swallows_everything_in_silence():
    """A broad handler raises again, or says why not on its line."""
    assert offences(SOURCES, rules.swallows_everything) == {}


def test_verification_raises():
    """What must not be ignored is raised, not returned."""
    assert offences(SOURCES, rules.verifies_by_boolean) == {}


@pytest.mark.parametrize("words", [REGISTRIES, ELSEWHERE], ids=["registries", "elsewhere"])
def test_the_project_speaks_of_itself_alone(words):
    """No committed file names a package registry's host or the place where it was written."""
    found = []
    for path in committed_files():
        try:
            text = path.read_text().lower()
        except UnicodeDecodeError:
            continue
        found.extend(f"{shown(path)}: {word}" for word in words if word in text)
    assert found == []


def test_every_requirement_is_pinned_by_hash():
    """A lock without hashes is no lock."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert lines, path.name
        unpinned = [line[:60] for line in lines if "==" not in line or "--hash=sha256:" not in line]
        assert unpinned == []


def test_links_between_papers_lead_somewhere():
    """Every relative link in a Markdown file names a file that exists."""
    broken = []
    for path in committed_files():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
            outside = "://" in target
            if not outside and not (path.parent / target).exists():
                broken.append(f"{shown(path)}: {target}")
    assert broken == []


def test_the_command_line_needs_no_extra():
    """With only the base requirements importable, help still works."""
    absent = ["fastapi", "sqlalchemy", "psycopg", "cedarpy", "pydantic", "uvicorn", "alembic"]
    program = (
        "import sys\n"
        f"absent = {absent!r}\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in absent:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "sys.argv = ['protem', '--help']\n"
        "from protem.entrypoints.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
