"""The planted bugs still fit the code: scripts/planted-bugs runs them, which takes minutes."""

import ast
import tomllib

from .house import ROOT, functions

BUGS = tomllib.loads((ROOT / "tests/faults/planted_bugs.toml").read_text())["bug"]
FEWEST = 25
SHIPPED_CONTRACTS = sorted((ROOT / "src/protem/testing").glob("*_contract.py"))


def names_of_tests(path):
    """Every test that a file defines, or takes over from a shipped contract."""
    found = {node.name for node in functions(ast.parse(path.read_text()))}
    if "contracts" in path.parts:
        for contract in SHIPPED_CONTRACTS:
            found |= {node.name for node in functions(ast.parse(contract.read_text()))}
    return found


def test_there_are_enough_and_each_says_why():
    """At least twenty-five, of different names, each with a reason and a test."""
    names = [bug["name"] for bug in BUGS]
    assert len(names) >= FEWEST
    assert len(set(names)) == len(names)
    assert [bug["name"] for bug in BUGS if not bug["why"].endswith(".") or not bug["tests"]] == []


def test_each_text_occurs_exactly_once():
    """A bug is planted in one place, and that place still exists."""
    counts = {bug["name"]: (ROOT / bug["file"]).read_text().count(bug["old"]) for bug in BUGS}
    assert {name: count for name, count in counts.items() if count != 1} == {}


def test_each_mutated_file_still_compiles():
    """A bug that is only a syntax error would be caught by everything."""
    for bug in BUGS:
        text = (ROOT / bug["file"]).read_text()
        assert bug["new"] != bug["old"], bug["name"]
        compile(text.replace(bug["old"], bug["new"]), bug["name"], "exec")


def test_each_named_test_exists():
    """A test that was renamed catches nothing."""
    missing = []
    for bug in BUGS:
        for test in bug["tests"]:
            file, _, name = test.partition("[")[0].partition("::")
            if name.rpartition("::")[2] not in names_of_tests(ROOT / file):
                missing.append(f"{bug['name']}: {test}")
    assert missing == []
