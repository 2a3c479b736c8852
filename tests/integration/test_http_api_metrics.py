"""The figures: what the papers list, what they show, and what a scrape does not do."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.control_plane_in_memory import TARGET, running

from protem.bootstrap.certificates import CertificateFile
from protem.domain.errors import RetryLaterError
from protem.domain.identifiers import GrantId
from protem.testing.tls_files import postgresql_tls_settings

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
async def stage():
    """A running control plane."""
    async with running() as made:
        yield made


async def scraped(stage):
    """Every sample by name and labels."""
    text = (await stage.call(None, "GET", "/metrics")).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def figure(stage, name, **labels):
    """One figure."""
    return (await scraped(stage)).get((name, tuple(sorted(labels.items()))))


async def eventually(stage, value, name, **labels):
    """Wait for a figure."""
    for _ in range(100):
        if await figure(stage, name, **labels) == value:
            return
        await asyncio.sleep(0.02)
    assert await figure(stage, name, **labels) == value


async def test_a_healthy_target_shows_as_one(stage):
    """Reachable, nothing left, no skew, no clock behind."""
    await eventually(stage, 1.0, "protem_target_reachable", target=TARGET)
    assert await figure(stage, "protem_orphans", target=TARGET) == 0
    assert await figure(stage, "protem_orphans_ended_total", target=TARGET) == 0
    assert await figure(stage, "protem_target_clock_skew_seconds", target=TARGET) == 0
    assert await figure(stage, "protem_clock_behind_seconds") < 1
    assert await figure(stage, "protem_stuck_grants") == 0
    assert await figure(stage, "protem_unattested_ends", target=TARGET) == 0


async def test_a_scrape_asks_no_target(stage):
    """With the target hanging for ever, the figures come at once."""
    await eventually(stage, 1.0, "protem_target_reachable", target=TARGET)
    before = list(stage.connector.calls)
    stage.connector.hang_next(100)
    async with asyncio.timeout(2):
        await scraped(stage)
    assert stage.connector.calls == before


async def test_a_target_that_is_away_shows(stage):
    """By the last look, which an end brings about."""
    await eventually(stage, 1.0, "protem_target_reachable", target=TARGET)
    stage.connector.fail_next(RetryLaterError("away"))
    stage.plane.loops.ends.look_again(TARGET)
    await eventually(stage, 0.0, "protem_target_reachable", target=TARGET)


async def test_orphans_ended_are_counted_and_those_left_are_shown(stage):
    """One that goes adds to the count; one that the target keeps stays in the gauge."""
    await eventually(stage, 1.0, "protem_target_reachable", target=TARGET)
    look = stage.plane.loops.looks[TARGET]
    look.orphans_ended = 2
    name = GrantId("01arz3ndektsv4rrffq69g5fav").name_at_target
    look.state = replace(look.state, failed=((name, "no"),))
    assert await figure(stage, "protem_orphans_ended_total", target=TARGET) == 2
    assert await figure(stage, "protem_orphans_ended_total", target=TARGET) == 2
    assert await figure(stage, "protem_orphans", target=TARGET) == 1


async def test_certificates_show_until_when_they_are_good(stage, tmp_path):
    """By the settings key; 0 for a file that cannot be read."""
    postgresql_tls_settings(tmp_path)
    good = CertificateFile(name="targets.orders-db.sslrootcert", path=tmp_path / "ca.crt")
    gone = CertificateFile(name="targets.gone.sslrootcert", path=tmp_path / "gone.crt")
    object.__setattr__(stage.plane, "certificates", (good, gone))
    now = stage.plane.around.clock.now().timestamp()
    samples = await scraped(stage)
    expires = "protem_certificate_expires_timestamp_seconds"
    assert 0 < samples[expires, (("name", good.name),)] - now <= 86_400
    assert samples[expires, (("name", gone.name),)] == 0


async def test_the_papers_list_every_figure_and_no_other(stage):
    """The table in docs/operations.md is the exposition's own list of names."""
    text = (await stage.call(None, "GET", "/metrics")).text
    shown = set(re.findall(r"^# TYPE (protem_\w+) ", text, re.MULTILINE))
    shown = {name for name in shown if not name.endswith("_created")}
    listed = set(re.findall(r"^\| `(protem_\w+)", OPERATIONS.read_text(), re.MULTILINE))
    assert shown == listed
