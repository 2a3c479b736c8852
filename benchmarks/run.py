"""Run every benchmark in turn on an idle machine, and say which goals are met and which are not.

    python benchmarks/run.py [NAME ...]

Here: waiting, starting, gathering, one table. Not here: any measurement.

Exits 0 when every program ran, also when goals are missed: a figure is news, not an error. Exits 1
when a program failed, ran too long or printed no figure.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import wait_until_idle

FOLDER = Path(__file__).parent
NOT_PROGRAMS = {"run", "measuring", "granted_roles"}
PROGRAM_SECONDS = 1800


def main() -> None:
    """Run the programs asked for, or all of them."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", help="benchmarks by name; default: all")
    options.add_argument("--no-wait", action="store_true", help="do not wait for idle processors")
    asked = options.parse_args()
    at_hand = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_PROGRAMS)
    unknown = sorted(set(asked.names) - set(at_hand))
    if unknown:
        options.error(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(at_hand)}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}")
    figures: list[dict[str, Any]] = []
    failures: list[str] = []
    for name in asked.names or at_hand:
        print(f"\n== {name}", flush=True)
        if not asked.no_wait and not wait_until_idle():
            print("   the processors stayed busy: read these figures with doubt", flush=True)
        found, failure = run(name)
        figures += found
        failures += [f"{name}: {failure}"] if failure else []
    print_table(figures)
    for failure in failures:
        print(f"FAILED {failure}")
    sys.exit(1 if failures else 0)


def run(name: str) -> tuple[list[dict[str, Any]], str]:
    """Run one program, show its own lines; return its figures and what went wrong, if anything."""
    beside_python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent / "src"), "PATH": beside_python}
    process = subprocess.Popen(
        [sys.executable, str(FOLDER / f"{name}.py")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=PROGRAM_SECONDS)
        failure = f"exit status {process.returncode}" if process.returncode else ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        failure = f"not done within {PROGRAM_SECONDS} s"
    figures = []
    for line in output.splitlines():
        if line.startswith("{"):
            figures.append(json.loads(line))
        else:
            print(f"   {line}")
    return figures, failure or ("" if figures else "printed no figure")


def print_table(figures: list[dict[str, Any]]) -> None:
    """Print goal, ratio, limit and verdict; misses are as visible as the rest."""
    print(f"\n{'goal':<6}{'ratio':>9}  {'limit':<8}{'':<8}what")
    for found in sorted(figures, key=lambda each: (len(each["goal"]), each["goal"])):
        verdict = "met" if found["met"] else "MISSED"
        print(
            f"{found['goal']:<6}{found['ratio']:>9.3g}  {found['limit']:<8}{verdict:<8}"
            f"{found['what']}{spread(found['rounds'])}"
        )
    met = sum(found["met"] for found in figures)
    print(f"{met} of {len(figures)} figures within their limits")


def spread(rounds: list[float]) -> str:
    """Say between what the rounds lay, where they are known."""
    return f"  [{min(rounds):.3g} to {max(rounds):.3g}]" if rounds else ""


if __name__ == "__main__":
    main()
