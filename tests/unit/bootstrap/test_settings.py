"""The settings file: what is read, and how what is wrong is told."""

import re
import tomllib
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest

from protem.bootstrap.postgresql_address import connection_string
from protem.bootstrap.secret_references import SecretReference
from protem.bootstrap.settings import declared_principal, declared_target, load_settings
from protem.domain.errors import InvalidError

TARGET = """
[targets.orders-db]
scheme = "postgresql"
labels = { env = "prod" }
host = "db"
dbname = "shop"
administrator = { user = "a", password = { env = "ADMIN_PASSWORD" } }
planner = { user = "p", password = { file = "planner" } }
"""


def load(tmp_path, text):
    """Load settings from text."""
    path = tmp_path / "protem.toml"
    path.write_text(text)
    return load_settings(path)


def test_an_empty_file_is_a_whole_one(tmp_path):
    """Every key but the targets' has a default."""
    settings = load(tmp_path, "")
    assert settings.server.listen == "127.0.0.1:8321"
    assert settings.limits.request_lapses_after == timedelta(hours=8)


def test_the_starter_loads_and_so_do_its_examples(tmp_path):
    """Also with every commented table taken in."""
    starter = (resources.files("protem.bootstrap") / "starter" / "protem.toml").read_text()
    load(tmp_path, starter)
    lines = []
    for line in starter.splitlines():
        taken = line[2:] if line.startswith("# ") else line.removeprefix("#")
        try:
            tomllib.loads(taken) if "privileges" not in taken else None
            lines.append(taken)
        except tomllib.TOMLDecodeError:
            lines.append(taken if taken.startswith(("  {", "]")) else line)
    settings = load(tmp_path, "\n".join(lines))
    target = declared_target("orders-db", settings)
    assert {(tag.path, tag.part) for tag in target.tags} == {
        (("shop", "customers"), "email"),
        (("shop", "customers"), "phone"),
        (("shop", "payments"), None),
    }
    assert len(target.profiles["orders-read"]) == 4
    assert declared_principal("alice-helper", settings).person.subject == "alice"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sever]\n", "sever: there is no such key"),
        ("[server]\nlisten = 1", "server.listen"),
        ('[server]\nlisten = "db.example.com:1"', "server.listen"),
        ('[server.log]\nlevel = "loud"', "server.log.level"),
        ('[limits]\nrequest_lapses_after = "soon"', "limits.request_lapses_after"),
        ("[limits]\nrequest_lapses_after = 8", "limits.request_lapses_after"),
        ('[identity.local.users."a b"]\n', "identity.local.users.a b"),
        ('[identity.local.users.a]\ngroups = ["no way"]', "identity.local.users.a"),
        (TARGET.replace("orders-db", "Orders"), "targets.Orders"),
        (TARGET + "port = 70000", "targets.orders-db.port"),
        (TARGET + 'sslmode = "prefer"', "targets.orders-db.sslmode"),
        (TARGET + '[[targets.orders-db.tags]]\nname = "pii"', "targets.orders-db.tags.0"),
        (
            TARGET + '[[targets.orders-db.tags]]\nname = "pii"\ncolumns = ["x"]',
            "SCHEMA.TABLE.COLUMN",
        ),
        ("= 1", "not TOML"),
    ],
)
def test_an_error_names_the_key_and_the_document(tmp_path, text, told):
    """The key path, what is wrong, and where it is described."""
    with pytest.raises(InvalidError) as caught:
        load(tmp_path, text)
    assert told in caught.value.message
    assert "docs/configuration.md" in caught.value.next_step


@pytest.mark.parametrize(
    "inline", ['"hunter2"', '{ value = "hunter2" }', '{ env = "A", file = "b" }']
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path, inline):
    """The message says what to write instead."""
    with pytest.raises(InvalidError) as caught:
        load(tmp_path, TARGET.replace('{ env = "ADMIN_PASSWORD" }', inline))
    assert "targets.orders-db.administrator.password" in caught.value.message
    assert "never written here" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_secrets_are_read_from_private_files_and_the_environment(tmp_path, monkeypatch):
    """A file that others can read is refused; one newline at its end is not part of it."""
    path = tmp_path / "secret"
    path.write_text("pass word\n")
    path.chmod(0o600)
    assert SecretReference(file="secret").read("x", tmp_path).reveal() == "pass word"
    path.chmod(0o640)
    with pytest.raises(InvalidError, match="read by others"):
        SecretReference(file="secret").read("x", tmp_path)
    with pytest.raises(InvalidError, match="cannot be read"):
        SecretReference(file="absent").read("x", tmp_path)
    monkeypatch.delenv("PROTEM_TEST_SECRET", raising=False)
    with pytest.raises(InvalidError, match="not set"):
        SecretReference(env="PROTEM_TEST_SECRET").read("x", tmp_path)
    monkeypatch.setenv("PROTEM_TEST_SECRET", "v")
    assert SecretReference(env="PROTEM_TEST_SECRET").read("x", tmp_path).reveal() == "v"


def test_connection_strings_are_quoted_as_libpq_reads_them(tmp_path, monkeypatch):
    """A password full of quotes and spaces survives the way through libpq's own parser."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    password = "it's \\ a 'pass' host=evil"
    monkeypatch.setenv("ADMIN_PASSWORD", password)
    target = load(tmp_path, TARGET).targets["orders-db"]
    text = connection_string(target, target.administrator, where="x", folder=tmp_path).reveal()
    parsed = conninfo_to_dict(text)
    assert parsed["password"] == password
    assert parsed["host"] == "db"


def test_the_example_is_the_starter():
    """examples/protem.toml is what ``server init`` writes."""
    example = Path(__file__).parents[3] / "examples" / "protem.toml"
    starter = resources.files("protem.bootstrap") / "starter" / "protem.toml"
    assert example.read_text() == starter.read_text()


WORKLOAD = """
[identity.workloads.ci]
issuer = "https://ci.example.com"
audience = "https://protem.example.com"
claims = { repository = "acme/*", "kubernetes.io" = { namespace = ["test", "prod"] }, own = true }
groups = ["ci"]
"""
PROVIDER = """
[identity.oidc.staff]
issuer = "https://id.example.com"
client_id = "protem"
"""


def test_who_may_sign_in_is_read_whole(tmp_path):
    """Sessions, a provider and a workload, with what they leave out."""
    found = load(tmp_path, WORKLOAD + PROVIDER + '[identity.sessions]\nidle = "1h"\n').identity
    assert (found.sessions.idle, found.sessions.lifetime) == (
        timedelta(hours=1),
        timedelta(hours=12),
    )
    assert found.workloads["ci"].session == timedelta(hours=1)
    assert not found.workloads["ci"].reusable
    assert found.oidc["staff"].groups == "claims"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WORKLOAD.replace('repository = "acme/*"', 'repository = "*"'), "anybody in"),
        (WORKLOAD.replace('repository = "acme/*"', 'repository = ["x", "**"]'), "anybody in"),
        (WORKLOAD.replace('repository = "acme/*"', "repository = []"), "anybody in"),
        (WORKLOAD.replace('["test", "prod"]', "{}"), "anybody in"),
        (re.sub("claims = .*", "claims = {}", WORKLOAD), "workloads.ci.claims"),
        (re.sub("claims = .*", "", WORKLOAD), "workloads.ci.claims"),
        (WORKLOAD.replace("https://ci", "http://ci"), "https address"),
        (WORKLOAD.replace('["ci"]', '["protem:declared"]'), "none of Protem's own"),
        (WORKLOAD.replace('["ci"]', '["no group"]'), "none of Protem's own"),
        (WORKLOAD + 'session = "24h"', "12h at most"),
        (WORKLOAD.replace(".ci]", ".CI_1]"), "workloads"),
        (WORKLOAD.replace("https://protem.example.com", "protem") + PROVIDER, "client_id"),
        (PROVIDER + PROVIDER.replace("staff", "other"), "same issuer"),
        (PROVIDER.replace("https://id", "http://id"), "https address"),
        (PROVIDER + 'client_secret = "hunter2"', "never written here"),
        ('[identity.sessions]\nidle = "1m"', "5m"),
        ('[identity.sessions]\nlifetime = "30d"', "7d"),
    ],
)
def test_a_wrong_way_to_sign_in_is_told_without_repeating_it(tmp_path, text, message):
    """What would let strangers in is refused before anything starts."""
    with pytest.raises(InvalidError, match=re.escape(message)) as caught:
        load(tmp_path, text)
    assert "hunter2" not in caught.value.message
