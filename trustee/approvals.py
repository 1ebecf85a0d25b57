"""Caseloads that two people approved: taken from the settings into the store, with a ledger entry each."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from federation.ledger.entry import EntryKind
from trustee.books import Act, Books
from trustee.settings import CaseloadApproval
from trustee.store.scopes import raise_caseload


async def apply_approvals(
    books: Books, approvals: Mapping[str, CaseloadApproval], accepted: Mapping[str, int]
) -> list[str]:
    """Raise the caseload of every agency whose approval is above what is accepted now.

    Args:
        books: Where each raise is recorded.
        approvals: The settings'.
        accepted: The caseloads in the store.

    Returns:
        The agencies whose caseload was raised.

    Raises:
        WardgateError: `LEDGER_UNAVAILABLE`.
    """
    raised = [agency for agency, approval in approvals.items() if approval.children > accepted.get(agency, 0)]
    for agency in raised:
        await _raise(books, agency, accepted.get(agency, 0), approvals[agency])
    return raised


async def _raise(books: Books, agency: str, before: int, approval: CaseloadApproval) -> None:
    async def apply(connection: AsyncConnection) -> None:
        await raise_caseload(connection, agency, approval.children)

    body = {
        "agency": agency,
        "before": before,
        "children": approval.children,
        "approved_by": list(approval.approved_by),
    }
    await books.record(Act(EntryKind.QUOTA_CHANGED, agency, body), apply)
