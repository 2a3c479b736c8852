"""A transaction as work sees it: the record sets over one session, made when first asked for."""

from __future__ import annotations

from protem.storage.account_records import AccountTable, IdempotencyTable
from protem.storage.answer_link_records import AnswerLinkTable
from protem.storage.approver_key_records import ApproverKeyTable
from protem.storage.clock_records import ClockTable
from protem.storage.device_records import DeviceTable
from protem.storage.directory_records import DirectoryGroupTable, DirectoryUserTable
from protem.storage.glass_records import GlassCodeTable, GlassTable
from protem.storage.grant_records import GrantTable, WorkTable
from protem.storage.message_records import MessageTable
from protem.storage.notice_records import NoticeTable
from protem.storage.request_records import ApprovalTable, AuditTable, RequestTable
from protem.storage.review_records import (
    CommentTable,
    DelegationTable,
    OfferTable,
    OncallTable,
)
from protem.storage.session import Session
from protem.storage.session_records import SessionTable, SpentProofTable


class SqlTransaction:
    """``ports.store.Transaction`` over a session."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def grants(self) -> GrantTable:
        """Grants."""
        return GrantTable(self._session)

    @property
    def work(self) -> WorkTable:
        """Leases."""
        return WorkTable(self._session)

    @property
    def requests(self) -> RequestTable:
        """Revisions."""
        return RequestTable(self._session)

    @property
    def approvals(self) -> ApprovalTable:
        """Verdicts."""
        return ApprovalTable(self._session)

    @property
    def audit(self) -> AuditTable:
        """The log's entries."""
        return AuditTable(self._session)

    @property
    def accounts(self) -> AccountTable:
        """Accounts and tokens."""
        return AccountTable(self._session)

    @property
    def idempotency(self) -> IdempotencyTable:
        """Remembered answers."""
        return IdempotencyTable(self._session)

    @property
    def clock(self) -> ClockTable:
        """The clock's mark."""
        return ClockTable(self._session)

    @property
    def sessions(self) -> SessionTable:
        """Sessions."""
        return SessionTable(self._session)

    @property
    def devices(self) -> DeviceTable:
        """Terminals that wait to be signed in."""
        return DeviceTable(self._session)

    @property
    def spent_proofs(self) -> SpentProofTable:
        """What may be shown once only."""
        return SpentProofTable(self._session)

    @property
    def directory_users(self) -> DirectoryUserTable:
        """Users of directories."""
        return DirectoryUserTable(self._session)

    @property
    def directory_groups(self) -> DirectoryGroupTable:
        """Groups of directories."""
        return DirectoryGroupTable(self._session)

    @property
    def offers(self) -> OfferTable:
        """Narrower revisions."""
        return OfferTable(self._session)

    @property
    def comments(self) -> CommentTable:
        """Remarks on requests."""
        return CommentTable(self._session)

    @property
    def delegations(self) -> DelegationTable:
        """Who stands in for whom."""
        return DelegationTable(self._session)

    @property
    def oncall(self) -> OncallTable:
        """The last answers of rotas."""
        return OncallTable(self._session)

    @property
    def approver_keys(self) -> ApproverKeyTable:
        """Approvers' keys."""
        return ApproverKeyTable(self._session)

    @property
    def messages(self) -> MessageTable:
        """Messages in chats that ask for an answer."""
        return MessageTable(self._session)

    @property
    def notices(self) -> NoticeTable:
        """Notices on their way out."""
        return NoticeTable(self._session)

    @property
    def answer_links(self) -> AnswerLinkTable:
        """Links that answer a request."""
        return AnswerLinkTable(self._session)

    @property
    def glass(self) -> GlassTable:
        """Broken glass."""
        return GlassTable(self._session)

    @property
    def glass_codes(self) -> GlassCodeTable:
        """Codes of sealed envelopes."""
        return GlassCodeTable(self._session)
