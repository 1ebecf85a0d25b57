"""What `wardgate ledger verify` reports: one object for machines, the same in lines for people."""

from collections.abc import Iterator, Sequence
from typing import Final

from federation.canonical import JsonObject
from federation.england import iso_in_england
from federation.errors import WardgateError
from federation.ledger.verify import Cosigned, LedgerFault, Verified

BESIDE: Final = (
    "verified against the key that lies beside it: whoever rewrites a ledger writes that too; give its key (--key)"
)
GIVEN: Final = "verified against the key that was given"


def held(verified: Verified, cosigned: Sequence[Cosigned]) -> JsonObject:
    """A ledger that holds."""
    tail = verified.size - verified.signed_size
    unsigned = f"{tail} entries at the end are not signed yet: nobody could tell if more were cut off, or these altered"
    return {
        "ok": True,
        "origin": verified.origin,
        "size": verified.size,
        "signed_size": verified.signed_size,
        "root": verified.root.hex(),
        "checkpoints": verified.checkpoints,
        "cosigned": [{"witness": item.witness, "size": item.size, "at": item.at} for item in cosigned],
        "first_bad_index": None,
        "reason": "",
        "warnings": [unsigned] if tail else [],
    }


def fault_found(origin: str, fault: WardgateError) -> JsonObject:
    """A ledger that does not."""
    return {
        "ok": False,
        "origin": origin,
        "size": fault.size if isinstance(fault, LedgerFault) else 0,
        "root": "",
        "first_bad_index": fault.first_bad_index if isinstance(fault, LedgerFault) else None,
        "reason": fault.reason if isinstance(fault, LedgerFault) else fault.detail,
        "warnings": [],
    }


def in_lines(report: JsonObject) -> Iterator[str]:
    """A report in lines.

    Args:
        report: What `held` or `fault_found` gave, with `verified_against`, `extends` and the place's own warnings.
    """
    if report["ok"]:
        yield f"{report['origin']}: {report['size']} entries hold; {report['signed_size']} of them are signed."
        yield f"root {report['root']}, {report['checkpoints']} checkpoints compared"
        yield from (f"extends {file}" for file in report["extends"])
        for item in report["cosigned"]:
            yield f"cosigned by {item['witness']}: {item['size']} entries, {iso_in_england(item['at'])}"
    else:
        index = report["first_bad_index"]
        yield f"{report['origin']}: DOES NOT HOLD. {report['reason']}"
        yield "no single entry is at fault" if index is None else f"first bad index {index}"
    yield str(report["verified_against"])
    yield from (f"warning: {warning}" for warning in report["warnings"])
