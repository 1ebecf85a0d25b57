"""The agencies as the trustee itself has verified them: whose signature, whose epochs, how large a caseload. No I/O.

The trustee never takes an agency's key from the gateway's word: only from the directory that it verified against the
gateway's ledger, and only as long as every agency's own chain of keys holds.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from federation.directory import Agency, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from keys.signing import VerifyKey
from trustee.epochs import Epochs

Verified = TypeVar("Verified")

_MAY_BE_STALE: Final = frozenset({ErrorCode.AGENCY_UNKNOWN, ErrorCode.SIGNATURE_REJECTED})
"""What a newer directory can mend: an agency just enrolled, a key just changed."""


class Members(Protocol):
    """The verified directory as the verbs see it."""

    @property
    def directory(self) -> TrustedDirectory:
        """The newest verified directory."""
        ...

    @property
    def caseloads(self) -> Mapping[str, int]:
        """The caseload that was approved for each agency, whatever the directory declares since."""
        ...

    async def refresh(self) -> None:
        """Fetch and verify what is newest at the time of this call."""
        ...


async def verify_signer(
    members: Members, agency_id: str, verify: Callable[[VerifyKey], Verified]
) -> tuple[Agency, Verified]:
    """Verify something with an agency's key; where that fails, once more with a directory fetched at once.

    Raises:
        WardgateError: `AGENCY_UNKNOWN`, or whatever `verify` raised.
    """
    tried = members.directory.version
    try:
        return _verify(members, agency_id, verify)
    except WardgateError as error:
        if error.code not in _MAY_BE_STALE:
            raise
        await members.refresh()
        if members.directory.version == tried:
            raise
    return _verify(members, agency_id, verify)


def _verify(members: Members, agency_id: str, verify: Callable[[VerifyKey], Verified]) -> tuple[Agency, Verified]:
    agency = members.directory.agency(agency_id)
    return agency, verify(agency.verify_key)


def is_newer(members: Members, epochs: Epochs, scope: str, epoch: int) -> bool:
    """Whether a directory newer than the one at hand may name this scope and epoch.

    So it may of an agency that is not in this one, and of an epoch that this trustee has opened: the gateway may have
    published either a moment ago.
    """
    agency = members.directory.agencies.get(scope)
    return agency is None or (epoch not in agency.epochs and epoch in epochs.in_use(scope))


def accepted_caseload(agency: Agency, caseloads: Mapping[str, int]) -> int:
    """Children that count for quotas: what the agency declares, but no more than two people approved."""
    return min(agency.descriptor.declared_caseload, caseloads.get(agency.descriptor.id, 0))
