"""The bodies that register approvers' keys.

Here: shapes and bounds. Not here: the signature on a review (``bodies``), and what the material
means (the signature port).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from protem.domain.approver_keys import MAX_NAME, MAX_PUBLIC_KEY
from protem.entrypoints.http_api.bodies import Body

_KeyName = Annotated[str, Field(max_length=MAX_NAME)]


class SshKeyBody(Body):
    """A public key line, and the challenge signed with ``ssh-keygen -Y sign -n key@protem.dev``."""

    name: _KeyName = ""
    public_key: Annotated[str, Field(min_length=1, max_length=MAX_PUBLIC_KEY)]
    signature: Annotated[str, Field(max_length=16_384)]


class WebauthnKeyBody(Body):
    """A ``RegistrationResponseJSON``."""

    name: _KeyName = ""
    credential: dict[str, Any]
