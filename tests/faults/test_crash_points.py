"""Processes die at every point where they meet the world, and again while they recover."""

import asyncio

import pytest
from tests.faults.chance import how_many, seeded
from tests.faults.crash_scenarios import SCENARIOS, Deaths, play

PAIRS = how_many("PROTEM_FAULT_PAIRS", 10_000)
DELIVERIES = (None, 0, 1, 5)
"""A call without an answer never arrives, or at once, or a little or long after its lease."""


def points_of(scenario):
    """The names of the points that one undisturbed life passes while the scenario is played."""
    world = asyncio.run(play(SCENARIOS[scenario], Deaths()))
    return world.points[-1][: world.played]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_undisturbed_it_comes_to_the_right_end(scenario):
    """Without a death every check holds too, and there are points to die at."""
    points = points_of(scenario)
    assert len(points) >= 20
    assert any("committed" in point for point in points)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_death_at_every_point(scenario, faults_counted):
    """Wherever it dies, the next one leaves no orphan, no late use and no lost revocation."""
    points = points_of(scenario)
    for number, name in enumerate(points, 1):
        late = name == "provision: sent" or "lost" in scenario
        for delivery in DELIVERIES if late else (None,):
            deaths = Deaths(at=(number,), delivery=delivery)
            try:
                asyncio.run(play(SCENARIOS[scenario], deaths))
            except AssertionError as error:
                pytest.fail(f"{scenario}, {deaths} at {name!r}: {error}")
            faults_counted("single crash points", 1)


@pytest.mark.parametrize("part", range(8))
def test_random_pairs_of_deaths(part, faults_counted):
    """A second death in the middle of recovery changes nothing."""
    chance = seeded(f"pairs of deaths, part {part}")
    names = sorted(SCENARIOS)
    lengths = {name: len(points_of(name)) for name in names}
    done = 0
    while done < PAIRS // 8:
        scenario = chance.choice(names)
        first = chance.randint(1, lengths[scenario])
        deaths = Deaths(at=(first, chance.randint(1, 80)), delivery=chance.choice(DELIVERIES))
        try:
            world = asyncio.run(play(SCENARIOS[scenario], deaths))
        except AssertionError as error:
            pytest.fail(f"{scenario}, {deaths}: {error}")
        done += len(world.points) >= 4  # the world's own, and three lives: two deaths
    faults_counted("pairs of crash points", done)
