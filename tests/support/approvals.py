"""The trustee's people: two of them, each with a key of their own."""

from dataclasses import dataclass, field

from federation.directory import Agency
from federation.register import Approval, SignedApproval, description_of
from keys.signing import SigningKey, VerifyKey
from tests.support.signers import NOW


@dataclass
class People:
    """Who may approve members."""

    keys: dict[str, SigningKey] = field(
        default_factory=lambda: {name: SigningKey.generate() for name in ("amara", "idris")}
    )

    @property
    def approvers(self) -> dict[str, VerifyKey]:
        return {name: key.verify_key for name, key in self.keys.items()}

    @property
    def settings(self) -> dict[str, str]:
        """As the trustee's settings take them."""
        return {name: key.verify_key.hex for name, key in self.keys.items()}

    def approve(self, agency: Agency, *people: str, caseload: int | None = None, at: int = NOW) -> list[SignedApproval]:
        """Signed approvals of an agency as it is listed; by everybody, unless some are named."""
        return [
            SignedApproval.sign(
                Approval(
                    agency=agency.descriptor.id,
                    statement=agency.chain[-1],
                    description=description_of(agency),
                    caseload=agency.descriptor.declared_caseload if caseload is None else caseload,
                    compared="read out over the telephone",
                    approver=name,
                    at=at,
                ),
                self.keys[name],
            )
            for name in people or self.keys
        ]
