"""Everything the node's data key does: references that only this node can make, and encryption of what is stored.

Each ciphertext is bound to its kind and its row, so that a row cannot be read in another's place.
"""

from enum import StrEnum

from agency_node.users import user_ref
from federation.errors import ErrorCode, WardgateError
from federation.vocabulary import UserRef
from keys.digest import derive_key, keyed_reference
from keys.errors import KeysError
from keys.nhs_number import NhsNumber
from keys.pseudonym import Pseudonym, lookup_key
from keys.record_cipher import RecordCipher
from keys.secret import Secret


class Kind(StrEnum):
    """What a ciphertext is."""

    PSEUDONYM = "pseudonym"
    IDENTIFIER = "identifier"
    FLAGS = "flags"
    RECORD = "record"
    REFERRAL = "referral"
    REASON = "reason"
    DECISION_INPUT = "decision-input"
    ASKED_REQUEST = "asked-request"
    ASKED_QUESTION = "asked-question"
    REPLY_KEY = "reply-key"
    ANSWER = "answer"
    REJECT = "reject"
    DISMISSAL = "dismissal"
    ACCEPTANCE = "acceptance"


class Vault:
    """The node's data key at work."""

    def __init__(self, data_key: Secret) -> None:
        self._references = derive_key(data_key, "node references")
        self._lookup = derive_key(data_key, "node lookup")
        self._cipher = RecordCipher(derive_key(data_key, "node records"))

    def child_key(self, number: NhsNumber) -> str:
        """Under which the node files a child whose number it knows, 32 hex digits."""
        return keyed_reference(self._references, "child", number.identifier_input())

    def stranger_key(self, pseudonym: Pseudonym) -> str:
        """Under which the node remembers that it was asked about a child whose number it does not know, 32 hex digits.

        Holds within one epoch of the pseudonym.
        """
        return keyed_reference(self._references, "stranger", self.lookup_key(pseudonym))

    def lookup_key(self, pseudonym: Pseudonym) -> bytes:
        """Under which the node files a child whose pseudonym it knows, 32 bytes."""
        return lookup_key(self._lookup, pseudonym)

    def record_ref(self, source_id: str, source_ref: str) -> str:
        """How policy, referrals and decisions name a record, 32 hex digits."""
        return keyed_reference(self._references, "record", f"{source_id}\0{source_ref}".encode())

    def key_ref(self, source_id: str, key: str) -> str:
        """How the node remembers a source's own key for a child, 32 hex digits."""
        return keyed_reference(self._references, "source key", f"{source_id}\0{key}".encode())

    def content_digest(self, content: bytes) -> str:
        """Equal for equal content, and no help to whoever guesses at it without the key; 32 hex digits."""
        return keyed_reference(self._references, "content", content)

    def user_ref(self, user_id: str) -> UserRef:
        """A user's opaque reference outside this node, 32 hex digits."""
        return user_ref(self._references, user_id)

    def seal(self, kind: Kind, row: str, plaintext: bytes) -> bytes:
        """Encrypt a column of one row."""
        return self._cipher.encrypt(plaintext, associated=_associated(kind, row))

    def open(self, kind: Kind, row: str, ciphertext: bytes) -> bytes:
        """Decrypt a column of one row.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`: the row was altered or belongs to another key.
        """
        try:
            return self._cipher.decrypt(ciphertext, associated=_associated(kind, row))
        except KeysError as error:
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{kind} does not decrypt") from error


def _associated(kind: Kind, row: str) -> bytes:
    return f"wardgate/node/{kind}/{row}".encode()
