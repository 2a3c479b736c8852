"""``/Groups``.

Here: the routes. Not here: what happens to accounts (services.provision_groups).

Source: RFC 7644, sections 3.3 to 3.6.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from scim2_models import Context

from protem.domain.identifiers import DirectoryId
from protem.entrypoints.scim.filters import OF_GROUPS, condition_of
from protem.entrypoints.scim.patches import becoming, group_change, member_ids
from protem.entrypoints.scim.projection import projection_of
from protem.entrypoints.scim.protocol import (
    Call,
    answer,
    authenticated,
    directory_id,
    expected_version,
    is_known,
    list_answer,
    read_document,
    window_of,
)
from protem.entrypoints.scim.shapes import TOLERANT, Group, document_of_group, etag
from protem.services.browse_directory import GroupView, find_groups, get_group
from protem.services.provision_groups import (
    GroupChange,
    add_group,
    change_group,
    remove_group,
)

router = APIRouter()


@router.get("/Groups")
async def list_groups(request: Request) -> Response:
    """Return the groups that match, a page at a time."""
    call = authenticated(request)
    condition = condition_of(request.query_params.get("filter"), OF_GROUPS)
    window, projection = window_of(request), projection_of(request)
    page = await find_groups(
        call.around,
        call.source,
        condition,
        window,
        with_members=not projection.leaves_out("members"),
    )
    documents = [projection.apply(document_of_group(view, call.base)) for view in page.items]
    return list_answer(documents, total=page.total, start=window.start)


@router.post("/Groups")
async def post_group(request: Request) -> Response:
    """Add a group."""
    call = authenticated(request)
    document = await read_document(request)
    change = _whole(document, Context.RESOURCE_CREATION_REQUEST)
    group = await add_group(call.around, call.source, change)
    return await _answer(request, call, group.id, 201)


@router.get("/Groups/{group_id}")
async def read_group(request: Request, group_id: str) -> Response:
    """Return one group."""
    call = authenticated(request)
    view = await get_group(call.around, call.source, directory_id(group_id))
    if is_known(request, view.group.version):
        return Response(status_code=304, headers={"etag": etag(view.group.version)})
    return _shown(request, call, view)


@router.put("/Groups/{group_id}")
async def put_group(request: Request, group_id: str) -> Response:
    """Replace a group and its members."""
    call = authenticated(request)
    change = _whole(await read_document(request), Context.RESOURCE_REPLACEMENT_REQUEST)
    expected = expected_version(request)
    place = directory_id(group_id)
    await change_group(call.around, call.source, place, change, expected=expected)
    return await _answer(request, call, place)


@router.patch("/Groups/{group_id}")
async def patch_group(request: Request, group_id: str) -> Response:
    """Change a group; the answer is empty unless attributes are asked for."""
    call = authenticated(request)
    change = group_change(await read_document(request))
    expected = expected_version(request)
    place = directory_id(group_id)
    group = await change_group(call.around, call.source, place, change, expected=expected)
    if "attributes" in request.query_params:
        return await _answer(request, call, place)
    return Response(status_code=204, headers={"etag": etag(group.version)})


@router.delete("/Groups/{group_id}")
async def delete_group(request: Request, group_id: str) -> Response:
    """Remove a group; its members are in it no more."""
    call = authenticated(request)
    expected = expected_version(request)
    await remove_group(call.around, call.source, directory_id(group_id), expected=expected)
    return Response(status_code=204)


def _whole(document: dict[str, Any], context: Context) -> GroupChange:
    """Return the change that makes a group what the document says."""
    members = next((document[key] for key in document if key.lower() == "members"), None)
    found: Any = Group.model_validate(
        {key: value for key, value in document.items() if key.lower() != "members"},
        scim_ctx=context,
        scim_policy=TOLERANT,
    )
    return GroupChange(
        display_name=found.display_name,
        external_id=found.external_id or None,
        forgets_external_id=not found.external_id,
        members=(becoming(member_ids(members)),),
    )


async def _answer(
    request: Request, call: Call, group_id: DirectoryId, status: int = 200
) -> Response:
    return _shown(request, call, await get_group(call.around, call.source, group_id), status)


def _shown(request: Request, call: Call, view: GroupView, status: int = 200) -> Response:
    document = document_of_group(view, call.base)
    headers = {"etag": etag(view.group.version)}
    if status == 201:  # noqa: PLR2004  # Created
        headers["location"] = document["meta"]["location"]
    return answer(projection_of(request).apply(document), status, headers)
