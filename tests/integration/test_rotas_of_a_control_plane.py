"""Rotas of the settings in a whole control plane: asked in the background, kept over a restart."""

import asyncio
from datetime import timedelta

import pytest

from protem.bootstrap.control_plane import open_control_plane
from protem.bootstrap.initialise import initialise
from protem.bootstrap.settings import load_settings
from protem.domain.errors import InvalidError
from protem.domain.principals import PrincipalId
from protem.services.refresh_rota import list_oncall

OMAR = PrincipalId(issuer="local", subject="omar")
SETTINGS = """
[identity]
same_person = [["local|omar", "local|omar2"]]
[identity.local.users.mia]
[identity.local.users.omar]
manager = "mia"
[identity.local.users.omar2]
[oncall]
refresh_every = "1s"
[oncall.schedules.db]
source = "file"
path = "rota.toml"
[oncall.schedules.net]
source = "ics"
url = "http://127.0.0.1:9/nobody-listens.ics"
"""
ALWAYS = """
time_zone = "Europe/Berlin"
[[rotation]]
people = ["omar2", "ghost"]
starts = 2020-01-06T09:00:00
days = 366
[[shift]]
person = "omar2"
starts = 2020-01-06T09:00:00
ends = 2120-01-06T09:00:00
"""


@pytest.fixture
async def config(tmp_path):
    """A control plane that was set up, with two rotas, one of which is down."""
    path = tmp_path / "protem.toml"
    path.write_text(SETTINGS)
    (tmp_path / "rota.toml").write_text(ALWAYS)
    await initialise(path, "root")
    return path


async def test_the_loops_ask_and_decisions_see_it(config):
    """By whichever identity the rota knows; the one that is down shows, and stops nothing."""
    settings = load_settings(config)
    async with open_control_plane(settings, config.parent) as plane, plane.running():
        async with asyncio.timeout(20):
            with plane.around.announcer.watch() as watch:
                while (
                    not await list_oncall(plane.around) or "on call net" not in plane.loops.troubles
                ):
                    await watch.changed(timedelta(seconds=0.05))

        def groups(view):
            return plane.around.identity.lookup(view, OMAR)

        omar = await plane.around.store.read(groups)
        assert omar.groups >= {"oncall:db"}
        assert omar.manager == PrincipalId(issuer="local", subject="mia")
        assert "on call db" not in plane.loops.troubles
    (config.parent / "rota.toml").unlink()
    async with open_control_plane(settings, config.parent) as plane:
        omar = await plane.around.store.read(lambda view: plane.around.identity.lookup(view, OMAR))
        assert "oncall:db" in omar.groups, "the last answer is kept over a restart"
        assert plane.around.clock.now() - omar.oncall_as_of < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[identity]\nsame_person = [["local|a"]]', "same_person"),
        ('[identity]\nsame_person = [["local|a", "b"]]', "same_person"),
        ('[identity]\nsame_person = [["local|a", "local|b"], ["local|b", "local|c"]]', "twice"),
        ('[oncall.schedules."a b"]\nsource = "file"\npath = "x"', "schedule"),
        ('[oncall.schedules.a]\nsource = "sheet"', "source"),
        ('[oncall.schedules.a]\nsource = "ics"', "url or a path"),
        ('[oncall.schedules.a]\nsource = "ics"\npath = "x"\ntime_zone = "Mars"', "Mars"),
        ('[oncall.schedules.a]\nsource = "pagerduty"\nschedule_id = "P1"\ntoken = "x"', "token"),
        ('[oncall.people]\n"x" = "a b"', "people"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(tmp_path, text, where):
    """Before anything starts."""
    path = tmp_path / "protem.toml"
    path.write_text(text)
    with pytest.raises(InvalidError, match=where):
        load_settings(path)


async def test_a_rota_in_clear_text_is_refused_at_start(tmp_path):
    """A calendar that anyone on the way can change would say who approves."""
    path = tmp_path / "protem.toml"
    path.write_text('[oncall.schedules.a]\nsource = "ics"\nurl = "http://example.com/x.ics"')
    await initialise(path, "root")
    with pytest.raises(InvalidError, match="https"):
        async with open_control_plane(load_settings(path), path.parent):
            pass
