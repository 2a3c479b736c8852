"""The transcripts that the README opens with, typed again on a real stage.

A block behind ``<!-- checked: story -->`` is a session: ``dana$ ...`` is typed by Dana on the
demo's stage, and what follows must come of it, but for identifiers and the time of day. A line
``...`` stands for the rest of a command's output.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from protem.entrypoints.demo.stage import built

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"<!-- checked: story -->\n+```\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^(\w+)\$ (protem .*)$")


@pytest.fixture(scope="module")
def stage():
    """A shop, a control plane, Dana and Omar."""
    with built() as made:
        yield made


def sessions():
    """Every step of every story block: who types what, and what must follow."""
    steps = []
    for block in BLOCK.findall(README.read_text()):
        for line in block.splitlines():
            if typed := PROMPT.match(line):
                steps.append((typed[1], typed[2], []))
            else:
                steps[-1][2].append(line)
    return steps


def plain(lines):
    """Output without what differs from run to run."""
    text = "\n".join(line.rstrip() for line in lines).strip()
    text = re.sub(r"\b[0-7][0-9a-hjkmnp-tv-z]{25}\b", "ID", text)
    return re.sub(r"\d\d:\d\d:\d\d UTC", "TIME", text)


def test_the_readme_opens_with_what_happens(stage):
    """Each command, typed in order, prints what the README says."""
    steps = sessions()
    assert len(steps) >= 3
    for who, command, expected in steps:
        home = dict(stage.people[who].environment)
        home["PGPASSWORD"] = (stage.folder / "planner").read_text()
        typed = command.replace("@127.0.0.1/", f"@127.0.0.1:{stage.database.port}/")
        done = subprocess.run(
            [sys.executable, "-m", "protem", *shlex.split(typed)[1:]],
            env=home,
            cwd=stage.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        printed = done.stdout.splitlines()
        if expected[-1:] == ["..."]:
            printed[len(expected) - 1 :] = ["..."]
        assert plain(printed) == plain(expected), command
