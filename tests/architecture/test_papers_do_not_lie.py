"""What the papers show is what the program does.

A fenced block behind ``<!-- checked: output -->`` is a transcript: each line ``$ protem ...`` is
run from the repository's root and must print what follows it. And every ``protem`` command line
shown anywhere must name a command and options that exist.
"""

import re
import shlex
import subprocess
import sys

import click

from protem.entrypoints.cli.command_tree import protem

from .house import ROOT, committed_files, shown

FENCE = re.compile(r"(<!-- checked: output -->\n+)?^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def papers():
    """Every Markdown file of the project."""
    return [path for path in committed_files() if path.suffix == ".md"]


def steps(block):
    """The commands of a transcript, each with the text that follows it."""
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:].strip(), ""])
        elif found:
            found[-1][1] += line
    return [tuple(step) for step in found]


def transcripts(text):
    """Every step of every checked block."""
    return [step for mark, block in FENCE.findall(text) if mark for step in steps(block)]


def shown_commands(text):
    """Every ``protem`` command line in fenced blocks, comments and remarks cut off."""
    lines = [line for _, block in FENCE.findall(text) for line in block.splitlines()]
    commands = [line.removeprefix("$ ") for line in lines]
    return [re.split(r"\s{3,}|\s+# ", line)[0] for line in commands if line.startswith("protem ")]


def mistakes_in(line):
    """What a command line names that does not exist; what follows ``--`` is not ours."""
    words = shlex.split(line.partition(" -- ")[0])[1:]
    command, names = protem, []
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return [f"no command {' '.join([*names, words[0]])}"]
        names.append(words.pop(0))
        command = found
    known = {"-h", "--help", "--version"}
    for parameter in protem.params + command.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    given = [word.partition("=")[0] for word in words if word.startswith("-") and word != "-"]
    return [f"{' '.join(names)} has no {word}" for word in given if word not in known]


def run(line):
    """What a command line prints."""
    return subprocess.run(
        [sys.executable, "-m", "protem", *shlex.split(line)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    ).stdout


def test_checked_transcripts_are_what_the_program_prints():
    """Whoever types it sees the same; at least one is there to be checked."""
    found = [(path, *step) for path in papers() for step in transcripts(path.read_text())]
    assert found
    for path, command, expected in found:
        assert command.startswith("protem "), f"{shown(path)}: {command}"
        assert run(command).strip() == expected.strip(), f"{shown(path)}: {command}"


def test_commands_in_papers_exist():
    """Each command and option that a paper shows can be typed."""
    wrong = [
        f"{shown(path)}: {line}: {mistake}"
        for path in papers()
        for line in shown_commands(path.read_text())
        for mistake in mistakes_in(line)
    ]
    assert wrong == []


def absent_paths(text):
    """Every path of the project that is named in backticks and leads nowhere."""
    named = set(re.findall(r"`((?:src|tests|docs|benchmarks|packaging|scripts)/[\w./*-]+)`", text))
    return sorted(path for path in named if not list(ROOT.glob(path.rstrip("/"))))


def test_paths_in_papers_exist():
    """A test or a module that a paper points at is there."""
    absent = {shown(path): absent_paths(path.read_text()) for path in papers()}
    assert {paper: paths for paper, paths in absent.items() if paths} == {}


def test_the_checks_of_papers_bite():
    """A wrong command, a wrong option and a marked block are found; a plain block is left alone."""
    marked = "<!-- checked: output -->\n\n```\n$ protem version\nprotem 1\n```\n"
    assert transcripts(marked) == [("protem version", "protem 1\n")]
    assert transcripts("```\n$ protem version\nprotem 1\n```\n") == []
    assert mistakes_in("protem fly --on x") == ["no command fly"]
    assert mistakes_in("protem plan --onto x -- psql --csv") == ["plan has no --onto"]
    assert mistakes_in("protem plan --on x -- psql --csv") == []
    assert shown_commands("```\n$ protem plan --on x -- psql   a remark\n```") == [
        "protem plan --on x -- psql"
    ]
    assert absent_paths("`tests/faults/*.py` `src/protem/nowhere.py` and `docs`") == [
        "src/protem/nowhere.py"
    ]
