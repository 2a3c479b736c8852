"""The dead man: how late grants end when the control plane is killed before their expiry, for good.

200 real PostgreSQL grants, made over HTTP through a running control plane, 40 of them with a query
running; then kill -9, and only ``protem sweep --every PERIOD`` is left, which knows the target
alone. Measured from each grant's expiry E: the last login that PostgreSQL let in (it refuses them
by itself: the limit is none), the cut of each live session as its client sees it, and the moment
its role is gone. The peer is the sweep's own period, of 1 s and of 10 s. Limits: no late login; the
latest end at most 2 periods of 1 s, 1.2 of 10 s.

    python benchmarks/dead_man.py [--grants 200] [--live 40] [--rounds 3] [--periods 1 10]
"""

import argparse
import asyncio
import statistics
import sys
import time

from granted_roles import ask_for_many, fates, sweeping
from measuring import figure

from protem.entrypoints.demo.stage import built

A_SECOND = 20
"""Grants asked for a second: their expiries are spread over several periods."""
SPARE_SECONDS = 12
"""From the last grant made to the first expiry."""
GIVE_UP_SECONDS = 30
LIMITS = {1: "<=2", 10: "<=1.2"}


def one_round(asked, period):
    """Return the fates of all grants of one stage."""
    seconds = round(asked.grants / A_SECOND) + SPARE_SECONDS
    with built(database_settings=("fsync=on",)) as stage:
        grants = ask_for_many(stage, asked.grants, seconds=seconds, a_second=A_SECOND)
        stage.server.kill()
        if min(one.expires_at for one in grants) < time.time() + 2:
            sys.exit("this machine is too slow: grants expired before all were made")
        with sweeping(stage, period):
            return asyncio.run(fates(stage, grants, live=asked.live, until=GIVE_UP_SECONDS))


def spread(lags):
    """Return p50, p99 and the worst."""
    ordered = sorted(lags)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1]


def main():
    """Measure each period in several rounds and print lags and ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--grants", type=int, default=200)
    options.add_argument("--live", type=int, default=40)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--periods", type=int, nargs="+", default=[1, 10])
    asked = options.parse_args()
    for period in asked.periods:
        report(period, [one_round(asked, period) for _ in range(asked.rounds)])


def report(period, rounds):
    """Print what was seen under one period."""
    everyone = [fate for found in rounds for fate in found]
    survivors = [fate.granted.role for fate in everyone if fate.gone_at is None]
    if survivors:
        sys.exit(f"{len(survivors)} roles were not ended at all")
    late = [one for fate in everyone for one in fate.let_in_late]
    tried = sum(len(fate.logins) for fate in everyone)
    print(f"every {period} s: {len(everyone)} grants, {tried} logins tried, {len(late)} late")
    for what, ends in (
        ("live session cut", lambda fate: fate.cut_at),
        ("role gone", lambda fate: fate.gone_at),
    ):
        lags = [
            [end - fate.granted.expires_at for fate in found if (end := ends(fate)) is not None]
            for found in rounds
        ]
        middle, most, worst = spread([lag for found in lags for lag in found])
        print(f"  {what}: {middle:.2f} s p50, {most:.2f} s p99, {worst:.2f} s max after expiry")
        ratios = [max(found) / period for found in lags]
        limit = LIMITS.get(period, "<=2")
        named = f"{what}, worst after expiry, of the sweep's {period} s"
        figure("DEAD", named, statistics.median(ratios), limit, ratios)
    figure("DEAD", f"logins let in after expiry, sweep every {period} s", len(late), "<=0")


if __name__ == "__main__":
    main()
