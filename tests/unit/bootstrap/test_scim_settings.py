"""``[identity.scim.NAME]``: what is read, what is refused before the server starts."""

import pytest

from protem.bootstrap.scim_settings import trusted_directories
from protem.bootstrap.settings import load_settings
from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import InvalidError
from protem.domain.secret import Secret

OKTA = """
[identity.scim.okta]
issuer = "https://acme.okta.com"
token = { file = "token" }
"""
TOKEN = "0123456789abcdef" * 4


def load(tmp_path, text):
    """Load settings from text."""
    path = tmp_path / "protem.toml"
    path.write_text(text)
    return load_settings(path)


def keep(tmp_path, token, name="token", mode=0o600):
    """Write a token into a file beside the settings."""
    path = tmp_path / name
    path.write_text(f"{token}\n")
    path.chmod(mode)


def test_a_directory_is_declared_with_its_token(tmp_path):
    """Name, issuer, the default subject, and the token's hash alone."""
    keep(tmp_path, TOKEN)
    settings = load(tmp_path, OKTA)
    (directory,) = trusted_directories(settings.identity.scim, tmp_path)
    assert directory.source.name == "okta"
    assert directory.source.subject_from == "externalId"
    assert directory.token_hash == fingerprint(Secret(TOKEN))
    assert TOKEN not in repr((settings, directory))


def test_no_directory_needs_nothing(tmp_path):
    """A server without directories asks for no token and no library."""
    assert trusted_directories(load(tmp_path, "").identity.scim, tmp_path) == ()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (OKTA.replace("https://acme.okta.com", "local"), "local"),
        (OKTA.replace("https://acme.okta.com", "a|b"), "okta"),
        (OKTA.replace("okta]", '"Not A Name"]'), "Not A Name"),
        (OKTA + 'subject_from = "email"', "subject_from"),
        (OKTA + 'group_prefix = "protem:"', "protem:"),
        (OKTA + 'group_prefix = " "', "okta"),
        (OKTA + 'secret = "x"', "secret"),
        (OKTA.replace('{ file = "token" }', f'"{TOKEN}"'), "token"),
        ('[identity.scim.okta]\nissuer = "https://x"', "token"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_repeated(tmp_path, wrong, named):
    """The error names the key path and what to do; a token written inline is not repeated."""
    with pytest.raises(InvalidError) as refused:
        load(tmp_path, wrong)
    assert named in refused.value.message
    assert TOKEN not in refused.value.message


def test_where_a_directory_provisions_sign_in_brings_no_groups(tmp_path):
    """One source of groups for one issuer: claims and a directory would overwrite each other."""
    provider = '[identity.oidc.okta]\nissuer = "https://acme.okta.com"\nclient_id = "protem"\n'
    with pytest.raises(InvalidError, match=r"oidc\.okta\.groups"):
        load(tmp_path, OKTA + provider)
    settings = load(tmp_path, OKTA + provider + 'groups = "scim"\n')
    assert settings.identity.oidc["okta"].groups == "scim"
    elsewhere = provider.replace("acme.okta.com", "other.example")
    assert load(tmp_path, OKTA + elsewhere).identity.oidc["okta"].groups == "claims"


def test_tokens_are_long_private_and_apart(tmp_path):
    """A short token, one that others can read and one that two directories have are refused."""
    two = OKTA + OKTA.replace("okta]", "entra]")
    for token, mode, text, said in (
        ("x" * 31, 0o600, OKTA, "at least 32"),
        (TOKEN, 0o644, OKTA, "read by others"),
        (TOKEN, 0o600, two, "has this token already"),
    ):
        keep(tmp_path, token, mode=mode)
        settings = load(tmp_path, text)
        with pytest.raises(InvalidError, match=said) as refused:
            trusted_directories(settings.identity.scim, tmp_path)
        assert token not in refused.value.message
