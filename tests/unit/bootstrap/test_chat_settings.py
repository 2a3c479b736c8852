"""``[notifications.slack.NAME]`` and ``.teams``: what is read, and what is refused at once."""

import pytest

from protem.bootstrap.declared_channels import declared_channels, slack_doors
from protem.bootstrap.settings import load_settings
from protem.domain.errors import InvalidError
from protem.system.clock import SystemClock

SLACK = """
[notifications.slack.dba]
workspace = "T1"
channel = "C1"
token = { env = "SLACK_TOKEN" }
signing_secret = { env = "SLACK_SIGNING" }
people = { U1 = "local|ann" }
"""
TEAMS = '[notifications.teams.all]\nurl = { env = "TEAMS_URL" }\n'


def load(tmp_path, text):
    """Load settings from text."""
    path = tmp_path / "protem.toml"
    path.write_text(text)
    return load_settings(path)


async def test_both_become_channels_and_slack_a_door(tmp_path, monkeypatch):
    """A board in Slack alone; people by their identity."""
    monkeypatch.setenv("SLACK_TOKEN", "xoxb")
    monkeypatch.setenv("SLACK_SIGNING", "secret")
    monkeypatch.setenv("TEAMS_URL", "https://teams.example.com/x?sig=1")
    settings = load(tmp_path, SLACK + TEAMS)
    slack, teams = declared_channels(settings, tmp_path, clock=SystemClock())
    assert (slack.name, slack.board is None) == ("dba", False)
    assert (teams.name, teams.board) == ("all", None)
    (door,) = slack_doors(settings, tmp_path).values()
    assert str(door.people["U1"]) == "local|ann"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"T1"', '"example.slack.com"'),
        ('"C1"', '"#general"'),
        ("local|ann", "ann"),
        ("U1", "ann"),
        ("[notifications.slack.dba]", '[notifications.slack.dba]\napi = "http://slack.com/"'),
        ("slack.dba]", "slack.all]"),
    ],
)
def test_what_is_wrong_is_refused_when_it_is_read(tmp_path, old, new):
    """Names in place of ids, people of no issuer, an API in clear text, a name that is taken."""
    with pytest.raises(InvalidError):
        load(tmp_path, SLACK.replace(old, new) + TEAMS)


def test_a_teams_address_in_clear_text_is_refused_and_not_told(tmp_path, monkeypatch):
    """It is a secret as a whole."""
    monkeypatch.setenv("TEAMS_URL", "http://teams.example.com/very-secret")
    settings = load(tmp_path, TEAMS)
    with pytest.raises(InvalidError) as error:
        list(declared_channels(settings, tmp_path, clock=SystemClock()))
    assert "very-secret" not in error.value.message
