"""Every route and method by callers that are easily forgotten, beyond the table of people.

The table itself is ``MATRIX`` in ``test_http_api_access``: a route that it does not name fails
there. Here the same rows are tried by nobody in five disguises, by whoever is disabled, by a
workload and by agents; and every method that no row names is refused on every path.
"""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from starlette.routing import Mount
from tests.integration.control_plane_in_memory import WRITE, local, running
from tests.integration.test_http_api_access import MATRIX, STREAM

from protem.domain.bearer_tokens import fingerprint
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalKind
from protem.ports.store import Account
from protem.system.randomness import SystemRandomness

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
UNDECLARED = {"/v1/openapi.json"}
"""Paths that the application serves and its document does not name."""
NOBODIES = ("disabled", "one-time", "expired", "nonsense", "empty")
NOT_A_PERSON = {
    ("POST", "/v1/glass-reviews/{id}"): 403,
    ("POST", "/v1/approver-keys/ssh/challenge"): 403,
    ("POST", "/v1/approver-keys/webauthn/options"): 403,
}
"""Only a person keeps keys to approve with, and reviews broken glass."""
OWN = {
    "workload": {
        **NOT_A_PERSON,
        ("POST", "/v1/requests"): 201,
        ("POST", "/v1/delegations"): 403,
    },
    # An agent sees what its person asked for, and may neither review nor end it.
    "requester-agent": {
        **NOT_A_PERSON,
        ("GET", "/v1/requests/{id}/challenge"): 200,
        ("POST", "/v1/requests"): 201,
        ("GET", "/v1/requests/{id}"): 200,
        ("GET", "/v1/grants/{id}"): 200,
        ("POST", "/v1/requests/{id}/reviews"): 403,
        ("POST", "/v1/requests/{id}/offers"): 403,
        ("POST", "/v1/requests/{id}/comments"): 200,
        ("POST", "/v1/delegations"): 403,
        ("POST", "/v1/grants/{id}/end"): 403,
    },
    "reviewer-agent": {
        **NOT_A_PERSON,
        ("POST", "/v1/requests/{id}/reviews"): 403,
        ("POST", "/v1/requests/{id}/offers"): 403,
        ("POST", "/v1/delegations"): 403,
    },
}
"""Where these callers are answered otherwise than those whose column they share."""
LIKE = {"workload": "stranger", "requester-agent": "stranger", "reviewer-agent": "reviewer"}
"""Whose column these callers share but for ``OWN``."""


@pytest.fixture
async def stage():
    """A running control plane, with a workload, and tokens that prove nobody."""
    async with running() as made:
        now, randomness = made.plane.around.clock.now(), SystemRandomness()
        engineers = frozenset({GroupName("engineers")})
        workload = Principal(
            id=local("workload"), display="CI", kind=PrincipalKind.WORKLOAD, groups=engineers
        )
        former = Principal(id=local("disabled"), display="x", groups=engineers)
        tokens = {name: randomness.token() for name in ("workload", *NOBODIES[:3])}

        def work(transaction):
            transaction.accounts.put(Account(principal=workload))
            transaction.accounts.put(Account(principal=former))
            for name, owner, hours, single_use in (
                ("workload", workload, 1, False),
                ("disabled", former, 1, False),
                ("one-time", workload, 1, True),
                ("expired", workload, -1, False),
            ):
                transaction.accounts.add_token(
                    token_hash=fingerprint(tokens[name]),
                    owner=owner.id,
                    expires_at=now + timedelta(hours=hours),
                    single_use=single_use,
                )
            transaction.accounts.put(replace(Account(principal=former), disabled=True))

        await made.store.write(work)
        made.tokens |= {name: token.reveal() for name, token in tokens.items()}
        made.tokens |= {"nonsense": "\u00e9" * 50, "empty": ""}
        yield made


def rows():
    """The table's rows, the stream with them, each under a readable name."""
    found = [*MATRIX, (*STREAM, None, {None: 401})]
    return [pytest.param(*row, id=f"{row[0]} {row[1]}"[:60]) for row in found]


@pytest.mark.parametrize(("method", "path", "body", "expected"), rows())
async def test_whoever_proves_nothing_is_nobody(stage, method, path, body, expected):
    """A disabled account's session, a one-time token, an expired one, nonsense: as without any."""
    grant = (await stage.ask(WRITE)).json()
    for who in NOBODIES:
        token = stage.tokens[who].encode()
        headers = {"authorization": b"Bearer " + token}
        answer = await stage.call(
            None, method, path.replace("{id}", grant["id"]), json=body, headers=headers
        )
        assert answer.status_code == expected[None], (who, answer.text)


@pytest.mark.parametrize(("method", "path", "body", "expected"), rows()[:-1])
@pytest.mark.parametrize("who", sorted(LIKE))
async def test_workloads_and_agents_may_what_is_written(stage, who, method, path, body, expected):
    """A workload and an agent get what the table says, and never more than their person."""
    grant = (await stage.ask(WRITE)).json()
    answer = await stage.call(who, method, path.replace("{id}", grant["id"]), json=body)
    wanted = OWN[who].get((method, path), expected[LIKE[who]])
    assert answer.status_code == wanted, answer.text


async def test_no_path_takes_a_method_that_it_does_not_declare(stage):
    """405 in a problem document, whoever asks; nothing answers TRACE or a method nobody knows."""
    document = (await stage.call(None, "GET", "/v1/openapi.json")).json()
    tried = 0
    for path, calls in document["paths"].items():
        real = path.replace("{grant_id}", "0" * 26).replace("{", "x").replace("}", "")
        for method in METHODS:
            if method.lower() in calls or _is_declared(stage, document, method, real):
                continue
            for who in (None, "admin"):
                answer = await stage.call(who, method, real)
                assert answer.status_code in (404, 405), (method, real, answer.text)
                tried += 1
    assert tried > 300


async def test_every_path_that_is_served_is_in_the_document(stage):
    """Nothing is reachable that the document, and with it the table, does not know."""
    document = (await stage.call(None, "GET", "/v1/openapi.json")).json()
    served = {path.replace(":path}", "}") for path in _served(stage)}
    assert served - set(document["paths"]) == UNDECLARED


def _is_declared(stage, document, method, real):
    """Whether another path, with a name in it, takes the method for this one."""
    return any(
        method.lower() in document["paths"].get(path.replace(":path}", "}"), {})
        and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", path.replace("{key_id:path}", ".+")), real)
        for path in _served(stage)
    )


def _served(stage):
    """Every path of the application, but what is mounted."""
    return {
        context.path
        for route in stage.app.routes
        for context in _effective(route)
        if not isinstance(route, Mount)
    }


def _effective(route):
    contexts = getattr(route, "effective_route_contexts", None)
    return contexts() if callable(contexts) else [route]
