"""Hostile bodies, names and headers: refused in order, never a 500."""

import json

import pytest
from tests.integration.control_plane_in_memory import READ, ask_body, running

HOSTILE = [
    '"; drop role x; --',
    "a\nb",
    "nul\0",
    "bidi \u202e",
    "x" * 10_000,
    "../../etc/passwd",
    "\ud7ff\ue000",
    "' or 1=1",
    "%00",
    "\x1b[31m",
]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b'{"target":"orders-db"}',
    b'{"a":' * 5_000,
    json.dumps(ask_body(duration_seconds="600")).encode(),
    json.dumps(ask_body(duration_seconds=1.5)).encode(),
    json.dumps(ask_body(duration_seconds=10**30)).encode(),
    json.dumps(ask_body(duration_seconds=0)).encode(),
    json.dumps(ask_body(surprise=1)).encode(),
    json.dumps(ask_body(command={"argv": []})).encode(),
    json.dumps(ask_body(command={"argv": [1]})).encode(),
    json.dumps(ask_body(reason="x" * 2_001)).encode(),
    b'{"target":"orders-db","command":{"argv":["\\ud800"]},"duration_seconds":60}',
    json.dumps(ask_body(reason="\0")).encode(),
    *(
        json.dumps(ask_body(start=start)).encode()
        for start in (
            "22:00",
            "2026-12-01T22:00",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "9999-12-31T23:59:59Z",
            "2020-01-01T00:00:00Z",
            "<script>",
            "",
            1,
        )
    ),
    json.dumps(ask_body(public_half={"form": "scram-sha-256", "value": "caf\u00e9"})).encode(),
]


@pytest.fixture
async def stage():
    """A running control plane."""
    async with running() as made:
        yield made


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:30]))
@pytest.mark.parametrize("path", ["/v1/requests", "/v1/plans"])
async def test_a_malformed_body_is_one_clear_refusal(stage, path, body):
    """422 with the code ``invalid``; nothing is stored."""
    answer = await stage.call("requester", "POST", path, content=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid"
    assert (await stage.call("requester", "GET", "/v1/requests?mine=true")).json()["items"] == []


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:12]))
async def test_hostile_names_are_refused_wherever_a_name_goes(stage, name):
    """Targets, profiles, commands, accounts, ids, keys: a refusal of the 400s, never a 500."""
    calls = [
        ("requester", "/v1/requests", ask_body(target=name)),
        ("requester", "/v1/requests", ask_body(profile=name)),
        ("requester", "/v1/requests", ask_body(("psql", name))),
        ("admin", "/v1/accounts", {"subject": name + " "}),
        ("admin", "/v1/accounts", {"subject": "ok", "groups": [name + " "]}),
        ("admin", "/v1/accounts", {"subject": "ok", "kind": "agent", "acts_for": name + " "}),
        (None, "/v1/sign-in", {"token": name}),
    ]
    for who, path, body in calls:
        answer = await stage.call(who, "POST", path, json=body)
        assert 400 <= answer.status_code < 500, (path, body, answer.text)
    from urllib.parse import quote  # noqa: PLC0415

    for path in ("/v1/requests/{}", "/v1/grants/{}", "/v1/targets/{}"):
        answer = await stage.call("requester", "GET", path.format(quote(name, safe="")))
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "query",
    ["wait=61", "wait=-1", "wait=nan", "wait=inf", "wait=x", "limit=0", "limit=101", "state=up",
     "before=x", "after_version=-1", "mine=perhaps"],
)  # fmt: skip
async def test_query_values_out_of_bounds_are_refused(stage, query):
    """422, before anything is looked up."""
    path = "/v1/requests"
    if query.startswith(("wait", "after")):
        path = "/v1/grants/" + "0" * 26
    answer = await stage.call("requester", "GET", f"{path}?{query}")
    assert answer.status_code == 422, answer.text


async def test_a_huge_body_is_refused_by_length_and_by_count(stage):
    """413 for a declared and for an undeclared length over 1 MiB."""

    async def chunks():
        for _ in range(20):
            yield b" " * 65_536

    for content in (b" " * 1_048_577, chunks()):
        answer = await stage.call("requester", "POST", "/v1/requests", content=content)
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("header", ["", "Basic eDp5", "Bearer", "Bearer ", "Bearer " + "x" * 9_999])
async def test_credentials_of_other_kinds_prove_nobody(stage, header):
    """401 with a challenge."""
    answer = await stage.call(None, "GET", "/v1/me", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_log_names_no_secret_and_escapes_what_callers_send(stage, caplog):
    """A token, a body and a hostile path leave no trace in any log line."""
    caplog.set_level("DEBUG")
    await stage.ask(READ, reason="s3cret-reason")
    await stage.call("requester", "GET", "/v1/x%0afake", headers={"x-request-id": "a\tb"})
    text = caplog.text
    assert stage.tokens["requester"] not in text
    assert "s3cret-reason" not in text
    assert "\nfake" not in text


async def test_the_served_document_is_the_one_kept_in_docs(stage):
    """A change of the API is a change of docs/openapi.json: ``python -m tests.write_openapi``."""
    from pathlib import Path  # noqa: PLC0415

    served = (await stage.call(None, "GET", "/v1/openapi.json")).json()
    kept = Path(__file__).parents[2] / "docs" / "openapi.json"
    assert json.loads(kept.read_text()) == served
