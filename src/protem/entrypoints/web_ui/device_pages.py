"""Signing in a terminal from this browser.

Here: the page that shows which terminal asks, and the answer. Not here: the codes
(services.sign_in_by_device).
"""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request, Response

from protem.domain.device_sign_ins import DeviceVerdict
from protem.entrypoints.web_ui.page_route import page_router
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.visitors import around_of, posted, visitor
from protem.services.sign_in_by_device import answer_device, look_at_device

router = page_router()


@router.get("/device")
async def get_device(request: Request, code: str = "") -> Response:
    """Ask for the code, or show the terminal that has it."""
    await visitor(request)
    asked = await look_at_device(around_of(request), code) if code else None
    return render(request, "device.html", asked=asked, done="", onward=None)


@router.post("/device")
async def post_device(request: Request) -> Response:
    """Sign the terminal in, or refuse it."""
    sender, form = await posted(request)
    verdict = DeviceVerdict.APPROVED if form["verdict"] == "approve" else DeviceVerdict.DENIED
    answer = await answer_device(
        around_of(request), sender.principal, sender.session, form["code"], verdict
    )
    onward = None
    if answer.port is not None:
        told = answer.proof.reveal() if verdict is DeviceVerdict.APPROVED else ""
        query = urlencode({"code": answer.user_code, "proof": told})
        onward = f"http://127.0.0.1:{answer.port}/signed-in?{query}"
    return render(request, "device.html", asked=None, done=verdict.value, onward=onward)
