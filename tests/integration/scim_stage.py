"""A control plane with two directories, on either store, for tests of provisioning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from tests.integration.control_plane_in_memory import Stage, build

from protem.bootstrap.scim_settings import TrustedDirectory
from protem.domain.bearer_tokens import fingerprint
from protem.domain.directories import DirectorySource, SubjectFrom
from protem.domain.identifiers import DirectoryName
from protem.domain.secret import Secret
from protem.entrypoints.http_api.app import create_app
from protem.entrypoints.scim.app import PREFIX, create_scim_app
from protem.identity.local import LocalIdentity
from protem.ports.store import Account, Transaction
from protem.storage.sqlite_store import SqliteStore
from protem.system.randomness import SystemRandomness

OKTA = DirectorySource(name=DirectoryName("okta"), issuer="https://acme.okta.example")
ENTRA = DirectorySource(
    name=DirectoryName("entra"),
    issuer="https://login.entra.example/tenant/v2.0",
    subject_from=SubjectFrom.USER_NAME,
    group_prefix="entra/",
)
TOKENS = {"okta": "okta-" + "0" * 40, "entra": "entra-" + "1" * 40}
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass
class ScimStage:
    """The application and shorthand for calls."""

    app: Any
    store: Any
    access: Stage
    around: Any = field(init=False)

    def __post_init__(self) -> None:
        self.around = self.access.plane.around

    def client(self, who: str | None = "okta") -> httpx2.AsyncClient:
        """Return a client of that directory, or of nobody."""
        headers = {} if who is None else {"authorization": f"Bearer {TOKENS.get(who, who)}"}
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url="https://protem.test",
            headers=headers,
            timeout=60,
        )

    async def call(self, method: str, path: str, who: str | None = "okta", **more: Any) -> Any:
        """Make one call below ``/scim/v2``."""
        async with self.client(who) as client:
            if "json" in more:
                more.setdefault("headers", {}).setdefault("content-type", "application/scim+json")
            return await client.request(method, PREFIX + path, **more)

    async def add_user(self, name: str = "anna@example.com", **more: Any) -> dict[str, Any]:
        """Add a user and return its document."""
        who = more.pop("who", "okta")
        answer = await self.call("POST", "/Users", who, json=user(name, **more))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def add_group(self, name: str, *members: str, who: str = "okta") -> dict[str, Any]:
        """Add a group and return its document."""
        answer = await self.call("POST", "/Groups", who, json=group(name, *members))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def patch(self, path: str, *operations: dict[str, Any], **more: Any) -> Any:
        """Send a PATCH."""
        body = {"schemas": [PATCH_URN], "Operations": list(operations)}
        return await self.call("PATCH", path, json=body, **more)

    async def account(self, subject: str, source: DirectorySource = OKTA) -> Account:
        """Return what became of a user."""
        principal_id = source.principal_id(subject)
        found: Account = await self.store.read(lambda tx: tx.accounts.get(principal_id))
        return found

    async def session(self, subject: str, source: DirectorySource = OKTA) -> str:
        """Give a provisioned person a session and return its token."""
        token = SystemRandomness().token()

        def work(transaction: Transaction) -> None:
            transaction.accounts.add_token(
                token_hash=fingerprint(token),
                owner=source.principal_id(subject),
                expires_at=self.around.clock.now() + timedelta(hours=1),
                single_use=False,
            )

        await self.store.write(work)
        return token.reveal()


def user(name: str, **more: Any) -> dict[str, Any]:
    """Return a user as directories write one."""
    return {"schemas": [USER_URN], "userName": name, "externalId": f"00u-{name}", **more}


def group(name: str, *members: str) -> dict[str, Any]:
    """Return a group as directories write one."""
    listed = [{"value": member} for member in members]
    return {"schemas": [GROUP_URN], "displayName": name, "members": listed}


def directories() -> tuple[TrustedDirectory, ...]:
    """Return both directories."""
    return tuple(
        TrustedDirectory(source=source, token_hash=fingerprint(Secret(TOKENS[source.name])))
        for source in (OKTA, ENTRA)
    )


@asynccontextmanager
async def provisioning(database: Path | None = None) -> AsyncIterator[ScimStage]:
    """Run a control plane with both directories; on SQLite when a path is given."""
    store = None if database is None else await SqliteStore.open(database)
    issuers = frozenset({OKTA.issuer, ENTRA.issuer})
    access = build(store, identity=partial(LocalIdentity, issuers=issuers))
    around = access.plane.around
    app = create_app(access.plane, mounts={PREFIX: create_scim_app(around, directories())})
    access.app = app
    async with access.plane.running():
        yield ScimStage(app=app, store=around.store, access=access)
    if store is not None:
        await store.close()
