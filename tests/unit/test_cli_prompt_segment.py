"""The shell prompt's segment: short, quick to make, and safe whatever is in the notes."""

import json
import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.entrypoints.cli.prompt_segment import segment_of

NOW = 1_900_000_000.0


def note(folder, name, target, left):
    """Write what ``client_state`` writes."""
    (folder / f"{name}.json").write_text(json.dumps({"target": target, "ends": NOW + left}))


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (1, "[orders-db 1s!]"),
        (59.9, "[orders-db 59s!]"),
        (60, "[orders-db 1m!]"),
        (300, "[orders-db 5m!]"),
        (301, "[orders-db 5m]"),
        (1_650, "[orders-db 27m]"),
        (7_300, "[orders-db 2h]"),
        (200_000, "[orders-db 2d]"),
        (0, ""),
        (-1, ""),
    ],
)
def test_the_time_left_is_rounded_down(tmp_path, left, shown):
    """Nobody is told of more time than there is; what is over is not shown."""
    note(tmp_path, "a", "orders-db", left)
    assert segment_of(str(tmp_path), NOW) == shown


def test_the_one_that_ends_first_is_named_and_the_others_counted(tmp_path):
    """Two grants and one that is over: one name, one more."""
    note(tmp_path, "a", "later-db", 900)
    note(tmp_path, "b", "first-db", 600)
    note(tmp_path, "c", "over-db", -5)
    assert segment_of(str(tmp_path), NOW) == "[first-db 10m +1]"


def test_nothing_there_is_nothing_shown(tmp_path):
    """No folder, an empty one, files that are no notes: silence, never an error."""
    assert segment_of(str(tmp_path / "absent"), NOW) == ""
    for name, content in {"a": "", "b": "[1]", "c": '{"ends": "x"}', "d": "[" * 9_000}.items():
        (tmp_path / f"{name}.json").write_text(content)
    (tmp_path / "e.json").mkdir()
    (tmp_path / "f.json").write_bytes(b"\xff\xfe")
    assert segment_of(str(tmp_path), NOW) == ""


@given(target=st.text(max_size=200))
def test_no_character_acts_on_a_prompt(tmp_path_factory, target):
    """Whatever a server calls a target: no escape, no expansion of bash or zsh, one line."""
    folder = tmp_path_factory.mktemp("held")
    note(folder, "a", target, 600)
    shown = segment_of(str(folder), NOW)
    assert set(shown) <= set(string.ascii_letters + string.digits + "._:/-?[] ")
    assert len(shown) < 80


def test_the_prompt_loads_no_library():
    """It is typed before every line, so it imports nothing that takes time."""
    program = (
        "import sys; sys.argv = ['protem', 'prompt']; from protem.entrypoints.cli.main import main;"
        "main(); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": "/nonexistent"},
    )
    loaded = set(done.stderr.split())
    assert not loaded & {"click", "httpx2", "pathlib", "asyncio", "cryptography", "uuid"}
    assert done.stdout == ""
