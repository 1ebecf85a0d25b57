"""Who a certificate speaks for: `wardgate://<party>/<id>`, in its one URI subject alternative name."""

import re
from dataclasses import dataclass
from typing import Final, Self

from keys.errors import CertificateRejected

PARTIES: Final = frozenset({"node", "gateway", "trustee", "operator", "local"})

_FORM: Final = re.compile(r"wardgate://([a-z]+)/([a-z][a-z0-9-]{1,62})")


@dataclass(frozen=True, slots=True)
class Identity:
    """A party and its id, such as node and `camden-csc`."""

    party: str
    name: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read a URI.

        Raises:
            CertificateRejected: It does not have the form, or names an unknown kind of party.
        """
        found = _FORM.fullmatch(uri)
        if found is None or found[1] not in PARTIES:
            raise CertificateRejected("identity is not wardgate://<party>/<id>")
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"wardgate://{self.party}/{self.name}"
