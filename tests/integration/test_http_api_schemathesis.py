"""The API against its own OpenAPI document: generated calls, valid and not, none of them a 5xx."""

import asyncio
import copy
import threading
from concurrent.futures import Future

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from tests.integration.control_plane_in_memory import HALF, WRITE, build, running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 20
ENDLESS = {"/v1/events"}
"""A stream that ends when its reader goes; its own tests read it."""
CALLERS = ("admin", "requester", None, "reviewer")


def described():
    """The application's document without its locks: who calls is the test's own choice."""
    document = copy.deepcopy(build().app.openapi())
    for calls in document["paths"].values():
        for call in calls.values():
            call.pop("security", None)
    return document


SCHEMA = schemathesis.openapi.from_dict(described())
OPERATIONS = {
    f"{found.ok().method.upper()} {found.ok().path}": found.ok()
    for found in SCHEMA.get_all_operations()
}


class Loop:
    """A control plane that runs in a thread of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._ready, self._over = Future(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        self.stage = self._ready.result(30)
        self.real = {}

    async def _run(self):
        async with running() as stage:
            self._ready.set_result(stage)
            await self._over.wait()

    def wait_for(self, awaitable):
        """Run it there and return what came out."""
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(30)

    def close(self):
        """Stop, and leave nothing behind."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)
        self._loop.close()


@pytest.fixture(scope="module")
def plane():
    """One control plane with a grant that is live and one that waits."""
    made = Loop()
    live = made.wait_for(made.stage.ask(public_half=HALF, wait=5)).json()
    waiting = made.wait_for(made.stage.ask(WRITE)).json()
    made.real = {"grant_id": [live["id"], waiting["id"]], "name": ["orders-db"]}
    yield made
    made.close()


async def send(stage, case, who):
    """Make the generated call as somebody."""
    given = case.as_transport_kwargs(base_url="http://protem.test")
    headers = {
        name: value
        for name, value in dict(given.get("headers") or {}).items()
        if name.lower() not in ("authorization", "host", "content-length")
    }
    body = given.get("data")
    async with stage.client(who) as client:
        return await client.request(
            given["method"],
            given["url"],
            params=given.get("params"),
            headers=headers,
            cookies=None,
            **({"json": given["json"]} if "json" in given else {"content": body}),
        )


def cases():
    """Every operation with valid input, and with input that is not, where there can be any.

    A name in a path is text, and any text is: generated ones are tried as valid input.
    """
    for name, operation in sorted(OPERATIONS.items()):
        yield pytest.param(name, GenerationMode.POSITIVE, id=f"{name} valid")
        if operation.body or operation.query:
            yield pytest.param(name, GenerationMode.NEGATIVE, id=f"{name} not valid")


@pytest.mark.parametrize(("name", "mode"), list(cases()))
def test_no_generated_call_breaks_a_route(plane, name, mode):
    """No 5xx, only documented statuses, media types and shapes; what is not valid is refused."""
    operation = OPERATIONS[name]
    if operation.path in ENDLESS:
        assert name == "GET /v1/events"
        return
    turn = iter(range(10_000))

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def calls(case):
        number = next(turn)
        for parameter, values in plane.real.items():
            if number % 2 and parameter in (case.path_parameters or {}):
                case.path_parameters[parameter] = values[number // 2 % len(values)]
        if case.query and isinstance(case.query.get("wait"), int | float):
            case.query["wait"] = 0
        who = CALLERS[number % len(CALLERS)]
        response = plane.wait_for(send(plane.stage, case, who))
        case.validate_response(response, checks=CHECKS)

    calls()
