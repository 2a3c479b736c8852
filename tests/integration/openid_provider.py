"""A real, certified OpenID provider on loopback, and a browser without a screen for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

FOLDER = Path(__file__).parents[2] / ".venv" / "identity-provider"
SERVER = Path(__file__).parents[1] / "identity_provider" / "server.mjs"
SECRET = "only-for-tests-1/+%"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')
_TOKEN = re.compile(r'name="xsrf" value="([^"]+)"')


@dataclass(slots=True)
class OpenIdProvider:
    """One provider that runs."""

    issuer: str
    process: subprocess.Popen[str]
    people: dict[str, Any] = field(default_factory=dict)

    def knows(self, **people: Any) -> None:
        """Add or change people: their claims by subject."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"people": people}) + "\n")
        self.process.stdin.flush()


@contextmanager
def openid_provider(
    callback: str, *, back_channel: str | None = None, **more: Any
) -> Iterator[OpenIdProvider]:
    """Start a provider whose one client comes back to ``callback``."""
    if not (FOLDER / "ready").exists() or shutil.which("node") is None:
        pytest.skip("no OpenID provider here: scripts/install-test-components installs it")
    client: dict[str, Any] = {
        "client_id": "protem",
        "client_secret": SECRET,
        "redirect_uris": [callback],
        "post_logout_redirect_uris": [callback.split("/v1/", maxsplit=1)[0] + "/sign-in"],
    }
    if back_channel is not None:
        client |= {
            "backchannel_logout_uri": back_channel,
            "backchannel_logout_session_required": True,
        }
    shutil.copy(SERVER, FOLDER / "server.mjs")
    process = subprocess.Popen(
        ["node", "server.mjs"],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"clients": [client], "people": {}, **more}) + "\n")
        process.stdin.flush()
        yield OpenIdProvider(
            issuer=json.loads(process.stdout.readline())["issuer"], process=process
        )
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class Browser:
    """What a person does: follow, type a name, agree; cookies are kept."""

    def __init__(self) -> None:
        self.http = httpx2.Client(trust_env=False, follow_redirects=False)

    def close(self) -> None:
        """Close the window."""
        self.http.close()

    def sign_in_there(self, address: str, *, name: str) -> str:
        """Follow ``address`` to the provider, sign in as ``name``; return the way back to us."""
        origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(address))
        response = self.http.get(address)
        for _ in range(12):
            if response.is_redirect:
                onwards = urllib.parse.urljoin(str(response.url), response.headers["location"])
                if not onwards.startswith(origin):
                    return onwards
                response = self.http.get(onwards)
                continue
            form = _FORM.search(response.text)
            assert form is not None, response.text
            page = response.text
            prompt = "login" if 'value="login"' in page else "consent"
            fields = {"prompt": prompt, "login": name, "password": "any"}
            response = self.http.post(urllib.parse.urljoin(str(response.url), form[1]), data=fields)
        raise AssertionError("the provider does not come to an end")

    def sign_out_there(self, address: str) -> None:
        """Follow ``address`` to the provider and agree to being signed out there."""
        page = self.http.get(address)
        action, token = _FORM.search(page.text), _TOKEN.search(page.text)
        assert action is not None, page.text
        assert token is not None, page.text
        fields = {"xsrf": token[1], "logout": "yes"}
        done = self.http.post(urllib.parse.urljoin(str(page.url), action[1]), data=fields)
        assert done.is_redirect, done.text
