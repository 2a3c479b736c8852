"""``/Users``.

Here: the routes. Not here: what happens to accounts (services.provision_users).

Source: RFC 7644, sections 3.3 to 3.6.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from scim2_models import Context

from protem.domain.directories import DirectoryUser, OutdatedError
from protem.domain.identifiers import DirectoryId
from protem.entrypoints.scim.filters import OF_USERS, condition_of
from protem.entrypoints.scim.patches import patched_user
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
from protem.entrypoints.scim.shapes import (
    TOLERANT,
    Person,
    document_of_user,
    etag,
    profile_of,
)
from protem.services.browse_directory import UserView, find_users, get_user
from protem.services.provision_users import add_user, remove_user, replace_user

router = APIRouter()
_TRIES = 5
"""A PATCH reads, applies and saves; another change in between makes it begin again."""


@router.get("/Users")
async def list_users(request: Request) -> Response:
    """Return the users that match, a page at a time."""
    call = authenticated(request)
    condition = condition_of(request.query_params.get("filter"), OF_USERS)
    window, projection = window_of(request), projection_of(request)
    page = await find_users(call.around, call.source, condition, window)
    documents = [projection.apply(document_of_user(view, call.base)) for view in page.items]
    return list_answer(documents, total=page.total, start=window.start)


@router.post("/Users")
async def post_user(request: Request) -> Response:
    """Add a user."""
    call = authenticated(request)
    person = Person.model_validate(
        await read_document(request),
        scim_ctx=Context.RESOURCE_CREATION_REQUEST,
        scim_policy=TOLERANT,
    )
    user = await add_user(call.around, call.source, profile_of(person))
    return await _answer(request, call, user, 201)


@router.get("/Users/{user_id}")
async def read_user(request: Request, user_id: str) -> Response:
    """Return one user."""
    call = authenticated(request)
    view = await get_user(call.around, call.source, directory_id(user_id))
    if is_known(request, view.user.version):
        return Response(status_code=304, headers={"etag": etag(view.user.version)})
    return _shown(request, call, view)


@router.put("/Users/{user_id}")
async def put_user(request: Request, user_id: str) -> Response:
    """Replace a user."""
    call = authenticated(request)
    person = Person.model_validate(
        await read_document(request),
        scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST,
        scim_policy=TOLERANT,
    )
    user = await replace_user(
        call.around,
        call.source,
        directory_id(user_id),
        profile_of(person),
        expected=expected_version(request),
    )
    return await _answer(request, call, user)


@router.patch("/Users/{user_id}")
async def patch_user(request: Request, user_id: str) -> Response:
    """Change a user."""
    call = authenticated(request)
    document = await read_document(request)
    expected = expected_version(request)
    place = directory_id(user_id)
    for tried in range(1, _TRIES + 1):
        view = await get_user(call.around, call.source, place)
        profile = profile_of(patched_user(document_of_user(view, call.base), document))
        version = view.user.version if expected is None else expected
        try:
            user = await replace_user(call.around, call.source, place, profile, expected=version)
        except OutdatedError:
            if expected is not None or tried == _TRIES:
                raise
        else:
            break
    return await _answer(request, call, user)


@router.delete("/Users/{user_id}")
async def delete_user(request: Request, user_id: str) -> Response:
    """Remove a user; sessions, tokens and grants end."""
    call = authenticated(request)
    expected = expected_version(request)
    await remove_user(call.around, call.source, directory_id(user_id), expected=expected)
    return Response(status_code=204)


async def _answer(request: Request, call: Call, user: DirectoryUser, status: int = 200) -> Response:
    view = await get_user(call.around, call.source, DirectoryId(user.id))
    return _shown(request, call, view, status)


def _shown(request: Request, call: Call, view: UserView, status: int = 200) -> Response:
    document = document_of_user(view, call.base)
    headers = {"etag": etag(view.user.version)}
    if status == 201:  # noqa: PLR2004  # Created
        headers["location"] = document["meta"]["location"]
    return answer(projection_of(request).apply(document), status, headers)
