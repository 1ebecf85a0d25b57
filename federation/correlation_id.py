"""The one id that ties together what one action caused, on every side: in calls, logs and ledger entries. Pure.

It is a UUID, where the action has an id of its own (a query, a task, a decision, a notice), or 32 hexadecimal digits
made when the action began. Never a word: whoever searches for one finds one action.
"""

import re
import secrets
from typing import Final, Self

_FORM: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EARLIER_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+*-]{0,127}")


class CorrelationId(str):
    """A correlation id.

    Raises:
        ValueError: The text is neither a UUID in lower case nor 32 hexadecimal digits.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text."""
        if not _FORM.fullmatch(text):
            raise ValueError("a correlation id is a UUID in lower case or 32 hexadecimal digits")
        return str.__new__(cls, text)

    @classmethod
    def mint(cls) -> Self:
        """A fresh one: 32 hexadecimal digits."""
        return cls(secrets.token_hex(16))

    @classmethod
    def adopted(cls, text: str) -> Self:
        """What another party sent, where it is an id; else a fresh one."""
        try:
            return cls(text)
        except ValueError:
            return cls.mint()

    @classmethod
    def recorded(cls, text: str) -> Self:
        """That of a stored entry; those of earlier versions were words such as `standing` too.

        Raises:
            ValueError: Not one of any version.
        """
        if not _EARLIER_FORM.fullmatch(text):
            raise ValueError("not a correlation id of any version")
        return str.__new__(cls, text)
