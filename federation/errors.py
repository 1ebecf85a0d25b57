"""The closed catalogue of errors, and how one is raised.

A refusal by policy is an answer, not an error; it never appears here except where a *call* is refused. Families say who
must act. `detail` goes to the log of the process that raised it and must hold identifiers and numbers only, never
personal data or key material.
"""

from federation.clock_difference import ClockDifference
from federation.error_catalogue import CATALOGUE
from federation.error_codes import ErrorCode, ErrorSpec, Family, Status

__all__ = ["CATALOGUE", "ErrorCode", "ErrorSpec", "Family", "Status", "WardgateError"]


class WardgateError(Exception):
    """An error of the catalogue.

    Attributes:
        code: The catalogue's code.
        detail: For the local log only; no personal data, no key material.
        told: What whoever called may read beside the catalogue's text, in printable ASCII: what it said itself, never
            what is held here. It is the detail too, where there is no other.
        clock: Clocks that differ, where that is the reason; anybody may be told.
    """

    def __init__(
        self, code: ErrorCode, detail: str = "", *, told: str = "", clock: ClockDifference | None = None
    ) -> None:
        super().__init__(f"{code}: {detail or told}" if detail or told else str(code))
        self.code = code
        self.detail = detail or told
        self.told = told
        self.clock = clock

    @property
    def spec(self) -> ErrorSpec:
        """The catalogue's row."""
        return CATALOGUE[self.code]
