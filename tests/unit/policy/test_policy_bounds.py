"""Policies that would use up the stack of the thread that reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from protem.policy.policy_bounds import MOST_IN_PATH, MOST_NESTED, MOST_OPERATORS
from protem.policy.policy_folder import read_texts

FORMS = {
    "brackets": lambda n: "(" * n + "true" + ")" * n,
    "sets": lambda n: "[" * n + "1" + "]" * n + " == [1]",
    "records": lambda n: "{a: " * n + "1" + "}" * n + " == 1",
    "and": lambda n: " && ".join(["true"] * n),
    "or": lambda n: " || ".join(["true"] * n),
    "plus": lambda n: " + ".join(["1"] * n) + " == 1",
    "if": lambda n: "if true then " * n + "true" + " else true" * n,
    "path": lambda n: "context" + ".a" * n + " == 1",
    "has": lambda n: "context has a" + ".b" * n,
    "calls": lambda n: "context.tags" + ".contains(1)" * n,
}
BOUNDS = {"brackets": MOST_NESTED, "sets": MOST_NESTED, "records": MOST_NESTED} | dict.fromkeys(
    ["path", "has", "calls"], MOST_IN_PATH
)
_READ = """
import sys, threading
from protem.policy.policy_folder import read_texts
threading.stack_size(1 << 20)
def read():
    for text in sys.stdin.read().split("\\0"):
        read_texts([("a.cedar", text)])
    print("read")
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""


def policy(form, length):
    """One policy whose condition has this form and length."""
    condition = FORMS[form](length)
    return f"permit (principal, action, resource) when {{ {condition} }};"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [1_000, 30_000])
def test_what_is_over_a_bound_is_a_problem_with_its_line(form, length):
    """Refused before the engine sees it, however far over."""
    (problem,) = read_texts([("a.cedar", f"\n{policy(form, length)}")]).problems
    assert problem.source.startswith("a.cedar:")
    assert problem.message.startswith("the policy ")


def test_what_is_at_a_bound_is_read_on_a_small_stack():
    """Every form, just within its bound, in a thread of 1 MiB; a crash would end the process."""
    texts = [policy(form, BOUNDS.get(form, MOST_OPERATORS) - 2) for form in FORMS]
    done = subprocess.run(
        [sys.executable, "-c", _READ],
        input="\0".join(texts),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
    )
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr
