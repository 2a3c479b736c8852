"""The compliance checks of ``scim2-tester`` against the application, on both stores."""

import asyncio

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from tests.integration.scim_stage import provisioning

UNSUPPORTED = {"search_with_attributes"}
"""``/.search`` is answered 501, which the checks take as "not supported" and skip."""


DELIBERATE = {
    # Whoever is no longer said to be active is not: the attribute stays, and is false.
    "PATCH modify() did not remove attribute 'active'",
}


class _InOurLoop(httpx2.BaseTransport):
    """Calls the application in the loop of the test from a thread of its own."""

    def __init__(self, client, loop):
        self._client = client
        self._loop = loop

    def handle_request(self, request):
        async def call():
            return await self._client.request(
                request.method, request.url, content=request.read(), headers=request.headers
            )

        found = asyncio.run_coroutine_threadsafe(call(), self._loop).result(60)
        return httpx2.Response(found.status_code, headers=found.headers, content=found.content)


@pytest.mark.parametrize("on_disk", [False, True], ids=["in-memory", "sqlite"])
async def test_the_compliance_checks_find_nothing(tmp_path, on_disk):
    """Every check passes; those that are skipped are the ones on what we say is unsupported."""
    path = tmp_path / "protem.db" if on_disk else None
    async with provisioning(path) as stage, stage.client("entra") as client:
        transport = _InOurLoop(client, asyncio.get_running_loop())
        with httpx2.Client(transport=transport, base_url="https://protem.test/scim/v2") as checking:
            results = await asyncio.to_thread(check_server, SyncSCIMClient(checking))
    wrong = [
        f"{found.title}: {found.reason}"
        for found in results
        if found.reason not in DELIBERATE
        and (
            found.status not in (Status.SUCCESS, Status.SKIPPED, Status.COMPLIANT)
            or (found.status is Status.SKIPPED and found.title not in UNSUPPORTED)
        )
    ]
    assert wrong == []
    assert len(results) > 70
