"""Notices of misuse, as a node makes them."""

from typing import Any
from uuid import uuid4

from federation.misuse import MisuseNotice, sign_notice
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.two_agencies import NOW, REQUESTER


def a_notice(agency: str = REQUESTER, **changes: Any) -> MisuseNotice:
    """A notice of this agency that is right in all respects."""
    values: dict[str, Any] = {
        "notice_id": str(uuid4()),
        "agency": agency,
        "key_version": 1,
        "user_ref": "a" * 32,
        "role": "team_manager",
        "purpose": "STAFF_CURIOSITY",
        "area": "testshire",
        "reason": "PURPOSE_NEVER_PERMITTED",
        "decision_id": str(uuid4()),
        "bundle_digest": sha256(b"bundle"),
        "at": NOW,
        **changes,
    }
    return MisuseNotice(**values)


def signed(key: SigningKey, agency: str = REQUESTER, **changes: Any) -> tuple[bytes, bytes]:
    """A notice and its signature."""
    return sign_notice(a_notice(agency, **changes), key)
