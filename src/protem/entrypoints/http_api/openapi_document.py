"""The OpenAPI document: bodies and errors that handlers read by themselves.

Here: what the framework cannot see, because handlers read bodies strictly and answer with documents
that are encoded once. Not here: the paths; each resource declares its own.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from protem import __version__
from protem.entrypoints.http_api import approver_key_bodies, bodies

_SHAPES = tuple(
    shape
    for module in (bodies, approver_key_bodies)
    for shape in vars(module).values()
    if isinstance(shape, type) and issubclass(shape, bodies.Body) and shape is not bodies.Body
)
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "next_step": {"type": ["string", "null"]},
        "decision": {"type": "object"},
        "request_id": {"type": "string"},
    },
}
_OPEN_PATHS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/sign-in",
    "/v1/sign-in/ways",
    "/v1/sign-in/device",
    "/v1/sign-in/device/redeem",
    "/v1/sign-in/workload",
)


def takes(shape: type[bodies.Body]) -> dict[str, Any]:
    """Return what a route's ``openapi_extra`` says about its body."""
    reference = {"$ref": f"#/components/schemas/{shape.__name__}"}
    content = {"application/json": {"schema": reference}}
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the whole document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title="Protem", version=__version__.split("+")[0], routes=app.routes)
        _, definitions = models_json_schema(
            [(shape, "validation") for shape in _SHAPES],
            ref_template="#/components/schemas/{model}",
        )
        components = made.setdefault("components", {})
        components["schemas"] = {**definitions.get("$defs", {}), "Problem": _PROBLEM}
        components["securitySchemes"] = {"session": {"type": "http", "scheme": "bearer"}}
        for path, calls in made["paths"].items():
            for call in calls.values():
                _complete(path, call)
        app.openapi_schema = made
    return app.openapi_schema


def _complete(path: str, call: dict[str, Any]) -> None:
    if path not in _OPEN_PATHS:
        call["security"] = [{"session": []}]
    responses = call.setdefault("responses", {})
    responses.pop("422", None)
    problem = {"$ref": "#/components/schemas/Problem"}
    responses["default"] = {
        "description": "What went wrong",
        "content": {"application/problem+json": {"schema": problem}},
    }
