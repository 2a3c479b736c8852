"""The real server with a directory in its settings."""

import httpx2
from tests.integration.scim_stage import user
from tests.integration.test_http_api_process import protem, served

TOKEN = "0123456789abcdef" * 4
CONFIG = """
[server]
listen = "127.0.0.1:0"
public_url = "https://protem.example"
[identity.scim.okta]
issuer = "https://acme.okta.example"
token = { file = "okta.token" }
"""


def test_a_server_provisions_and_logs_no_token(tmp_path):
    """Users come under /scim/v2, their place is the public one, the log shows who called."""
    (tmp_path / "protem.toml").write_text(CONFIG)
    (tmp_path / "okta.token").write_text(TOKEN)
    (tmp_path / "okta.token").chmod(0o600)
    protem(tmp_path, "init")
    with (
        served(tmp_path) as (url, _, log),
        httpx2.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}) as client,
    ):
        made = client.post("/scim/v2/Users", json=user("anna@example.com"))
        assert made.status_code == 201, made.text
        place = f"https://protem.example/scim/v2/Users/{made.json()['id']}"
        assert made.headers["location"] == place
        assert client.get("/scim/v2/Users").json()["totalResults"] == 1
        assert client.get("/scim/v2/nowhere").json()["status"] == "404"
        assert client.get("/v1/me").status_code == 401
        written = log.read_text()
    assert '"scim|okta"' in written
    assert TOKEN not in written
    listed = protem(tmp_path, "account", "list").stdout
    assert "00u-anna@example.com" in listed


def test_a_server_with_a_wrong_token_file_does_not_start(tmp_path):
    """It says which key, and what to do."""
    (tmp_path / "protem.toml").write_text(CONFIG)
    protem(tmp_path, "init")
    refused = protem(tmp_path, check=False)
    assert refused.returncode in {1, 2}
    assert "identity.scim.okta.token" in refused.stderr
