"""How long the command line takes to say its version and its help.

Peers: ``python -c pass`` (at most 3 times it) and ``aws --version`` where it is installed (at most
a quarter of it). Interleaved, medians, every program with compiled bytecode from a warm cache.

Run: ``python benchmarks/cli_start.py [ROUNDS]``
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import figure

SOURCE = Path(__file__).parents[1] / "src"
DEFAULT_ROUNDS = 15
TIMES_PYTHON = 3.0
TIMES_AWS = 0.25


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_ROUNDS
    programs = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "protem --version": [sys.executable, "-m", "protem", "--version"],
        "protem --help": [sys.executable, "-m", "protem", "--help"],
        "protem help exit-codes": [sys.executable, "-m", "protem", "help", "exit-codes"],
    }
    aws = shutil.which("aws")
    if aws is not None:
        programs["aws --version"] = [aws, "--version"]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        took: dict[str, list[float]] = {name: [] for name in programs}
        for round_number in range(rounds + 1):  # the first fills the cache
            for name, argv in programs.items():
                begun = time.perf_counter()
                subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
                if round_number:
                    took[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(times) for name, times in took.items()}
    for name, median in medians.items():
        print(f"{name:<24}{median * 1000:7.1f} ms")
    for name in ("protem --version", "protem --help"):
        _verdict(name, "python -c pass", medians, TIMES_PYTHON)
        if aws is None:
            print("aws is not installed: pip install awscli")
        else:
            _verdict(name, "aws --version", medians, TIMES_AWS)


def _verdict(name: str, peer: str, medians: dict[str, float], limit: float) -> None:
    figure("CLI", f"{name} to {peer}", medians[name] / medians[peer], f"<={limit:g}")


if __name__ == "__main__":
    main()
