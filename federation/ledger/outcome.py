"""What a caller of the journal does when it is not told whether its commit took place: remember that it does not know.

    with if_unknown(lambda: self._queries.doubt(query_id)):
        await self._journal.record([entry], writes)

Whoever holds in memory what a commit changes compares it with the store before it acts on it again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from federation.errors import ErrorCode, WardgateError


@contextmanager
def if_unknown(remember: Callable[[], None]) -> Iterator[None]:
    """Call `remember` where the block ends with `OUTCOME_UNKNOWN`, which goes on to the caller."""
    try:
        yield
    except WardgateError as error:
        if error.code is ErrorCode.OUTCOME_UNKNOWN:
            remember()
        raise
