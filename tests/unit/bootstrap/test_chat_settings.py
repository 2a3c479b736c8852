"""``[notifications.slack.NAME]`` and ``[notifications.teams.NAME]``: what is read and refused."""

import pytest
from tests.unit.bootstrap.test_mail_settings import MAIL, load

from protem.bootstrap.declared_channels import declared_channels
from protem.bootstrap.slack_channels import slack_desks
from protem.domain.errors import InvalidError
from protem.system.clock import SystemClock

SLACK = """
[notifications.slack.owners]
workspace = "T0123ABCD"
channel = "C0123ABCD"
token = { env = "SLACK_TOKEN" }
signing_secret = { env = "SLACK_SECRET" }
people = { U0123ABCD = "local|dana" }
"""
TEAMS = """
[notifications.teams.owners]
url = { env = "TEAMS_URL" }
"""


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    """Secrets in the environment."""
    monkeypatch.setenv("SLACK_TOKEN", "xoxb-1-2")
    monkeypatch.setenv("SLACK_SECRET", "8f742231b10e8888abcd99yyyzzz85a5")
    monkeypatch.setenv("TEAMS_URL", "https://prod.logic.azure.example/workflows/1?sig=canary")


def test_slack_keeps_its_messages_true_and_teams_cannot(tmp_path):
    """Both are channels; Slack's own addresses are the default."""
    settings = load(tmp_path, SLACK + TEAMS.replace("owners", "ops"))
    slack, teams = declared_channels(settings, tmp_path, clock=SystemClock())
    assert (slack.name, teams.name) == ("owners", "ops")
    assert slack.rewriting is slack.notifier
    assert teams.rewriting is None
    table = settings.notifications.slack["owners"]
    assert (table.api, table.hooks) == ("https://slack.com/api/", "https://hooks.slack.com/")
    assert set(slack_desks(settings.notifications.slack, tmp_path, SystemClock())) == {"owners"}


@pytest.mark.parametrize(
    "wrong",
    [
        SLACK + TEAMS,
        SLACK + MAIL,
        SLACK.replace("T0123ABCD", "acme"),
        SLACK.replace("C0123ABCD", "#approvals"),
        SLACK.replace("U0123ABCD", "dana"),
        SLACK.replace("local|dana", "dana"),
        SLACK.replace("local|dana", "local|d\u00e4na"),
        SLACK.replace('{ env = "SLACK_TOKEN" }', '"xoxb-hunter2"'),
        SLACK + 'api = "http://slack.example/"',
        SLACK + 'hooks = "ftp://hooks.slack.com/"',
        SLACK + 'hook = "https://hooks.slack.com/"',
        TEAMS.replace('{ env = "TEAMS_URL" }', '"https://prod.example/hunter2"'),
    ],
)
def test_what_cannot_be_a_chat_is_refused(tmp_path, wrong):
    """Names in place of ids, secrets in the file, unsafe addresses, two channels of one name."""
    with pytest.raises(InvalidError) as error:
        load(tmp_path, wrong)
    assert "hunter2" not in error.value.message


def test_secrets_that_cannot_be_are_refused_without_being_told(tmp_path, monkeypatch):
    """An address in clear text, a signing secret that is too short, a token that is absent."""
    monkeypatch.setenv("TEAMS_URL", "http://prod.example/canary")
    with pytest.raises(InvalidError) as error:
        list(declared_channels(load(tmp_path, TEAMS), tmp_path, clock=SystemClock()))
    assert "canary" not in error.value.message
    monkeypatch.setenv("SLACK_SECRET", "canary")
    settings = load(tmp_path, SLACK)
    with pytest.raises(InvalidError) as error:
        slack_desks(settings.notifications.slack, tmp_path, SystemClock())
    assert "canary" not in error.value.message
    monkeypatch.delenv("SLACK_TOKEN")
    with pytest.raises(InvalidError):
        list(declared_channels(settings, tmp_path, clock=SystemClock()))
