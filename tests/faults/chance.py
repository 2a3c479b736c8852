"""Chance that can be had again: every run prints its seed and takes one.

``PROTEM_FAULT_SEED=n`` repeats the choices of a run; what the machine does meanwhile is not
repeated, so a failure may need a few runs.
"""

import os
import random
import secrets


def seeded(what):
    """Return a generator of its own for ``what``, and print how to get the same again."""
    seed = os.environ.get("PROTEM_FAULT_SEED") or str(secrets.randbits(32))
    print(f"\n{what}: PROTEM_FAULT_SEED={seed}")
    return random.Random(f"{seed} {what}")


def how_many(variable, usual):
    """Return the number that the environment asks for, or the usual one."""
    return int(os.environ.get(variable) or usual)
