"""``[notifications.mail.NAME]``: what is read, and what is refused before anything is sent."""

import pytest

from protem.bootstrap.declared_channels import declared_channels
from protem.bootstrap.settings import load_settings
from protem.domain.errors import InvalidError
from protem.domain.principals import PrincipalId
from protem.system.clock import SystemClock

MAIL = """
[notifications.mail.owners]
host = "smtp.example.com"
sender = "protem@example.com"
to = ["ann@example.com"]
"""
WEBHOOK = """
[notifications.webhooks.owners]
url = "https://hooks.example.com/"
secret = { env = "HOOK" }
"""


def load(tmp_path, text):
    """Load settings from text."""
    path = tmp_path / "protem.toml"
    path.write_text(text)
    return load_settings(path)


@pytest.mark.parametrize(
    ("more", "port"),
    [
        ("", 465),
        ('security = "starttls"', 587),
        ('security = "none"\nhost = "localhost"', 25),
        ("port = 2525", 2525),
    ],
)
def test_each_security_has_its_usual_port(tmp_path, more, port):
    """TLS is the default."""
    text = MAIL.replace('host = "smtp.example.com"\n', "") if "host" in more else MAIL
    settings = load(tmp_path, text + more)
    assert settings.notifications.mail["owners"].port_used == port
    (channel,) = declared_channels(settings, tmp_path, clock=SystemClock())
    assert channel.name == "owners"


@pytest.mark.parametrize(
    "wrong",
    [
        MAIL + 'security = "none"',
        MAIL + 'username = "protem"',
        MAIL + 'password = { env = "MAIL" }',
        MAIL + 'username = "protem"\npassword = "hunter2hunter2"',
        MAIL + WEBHOOK,
        MAIL.replace("ann@example.com", "ann@example.com\\r\\nBcc: eve@example.com"),
        MAIL.replace("ann@example.com", "Ann <ann@example.com>"),
        MAIL.replace("ann@example.com", "ann@example.com\\n"),
        MAIL.replace("protem@example.com", "protem"),
        MAIL.replace('["ann@example.com"]', "[]"),
        MAIL + "answer_by_link = true",
        MAIL + 'people = { "ann" = "ann@example.com" }',
        MAIL + 'people = { "local|ann" = "Ann <ann@example.com>" }',
        MAIL + 'people = { "local|ann" = "ann@example.com\\r\\nBcc: eve@example.com" }',
    ],
)
def test_what_is_unsafe_or_half_is_refused(tmp_path, wrong):
    """No clear text over a network, no half log-in, no second header, no name twice."""
    load(tmp_path, MAIL)
    with pytest.raises(InvalidError) as raised:
        load(tmp_path, wrong)
    assert "hunter2" not in str(raised.value)


LINKS = MAIL + 'answer_by_link = true\npeople = { "local|ann" = "ann@example.com" }\n'


@pytest.mark.parametrize("server", ["", '[server]\npublic_url = "http://protem.example.com"\n'])
def test_a_link_that_answers_is_sent_for_https_alone(tmp_path, server):
    """Whoever listens on the way could answer by it."""
    settings = load(tmp_path, server + LINKS)
    with pytest.raises(InvalidError, match=r"owners\.answer_by_link.*https"):
        list(declared_channels(settings, tmp_path, clock=SystemClock()))


def test_people_have_addresses_and_links_by_the_settings_alone(tmp_path):
    """Named by issuer and subject; nobody answers by a link unless the file says so."""
    server = '[server]\npublic_url = "https://protem.example.com"\n'
    for text, links in ((LINKS, True), (LINKS.replace("answer_by_link = true", ""), False)):
        settings = load(tmp_path, server + text)
        (channel,) = declared_channels(settings, tmp_path, clock=SystemClock())
        assert channel.personal.people == {PrincipalId(issuer="local", subject="ann")}
        assert channel.answer_by_link is links


def test_a_file_of_certificates_that_is_none_is_told(tmp_path):
    """The key and the path are named."""
    (tmp_path / "ca.pem").write_text("no certificate")
    settings = load(tmp_path, MAIL + 'ca_file = "ca.pem"')
    with pytest.raises(InvalidError, match=r"notifications\.mail\.owners\.ca_file.*ca\.pem"):
        list(declared_channels(settings, tmp_path, clock=SystemClock()))
