"""What is out of order, for administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from protem.domain.decisions import PolicyAction
from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.serving import caller_with, serving
from protem.services.diagnose import diagnose

router = APIRouter(prefix="/v1/doctor", tags=["doctor"])


@router.get("")
async def get_doctor(request: Request) -> Response:
    """Return every finding, the worst first."""
    await caller_with(request, PolicyAction.ADMINISTER)
    plane = serving(request).plane
    findings = await diagnose(plane.around, [plane.check_process])
    return json_response(
        {
            "findings": [
                {
                    "severity": found.severity,
                    "subject": found.subject,
                    "message": found.message,
                    "next_step": found.next_step,
                }
                for found in findings
            ]
        }
    )
