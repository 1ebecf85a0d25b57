"""Work for a few targets is done at once, for more beside the loop; what comes of it is the same."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.threads import INLINE_TARGETS, for_targets

NAME: ContextVar[str] = ContextVar("name", default="")


@pytest.mark.parametrize(("count", "is_here"), [(1, True), (INLINE_TARGETS, True), (INLINE_TARGETS + 1, False)])
async def test_a_few_targets_are_worked_on_here_and_more_in_a_thread_that_knows_its_caller(
    count: int,
    is_here: bool,  # noqa: FBT001 - a column of the table
) -> None:
    NAME.set("caller")
    with ThreadPoolExecutor(max_workers=1) as executor:
        where, name = await for_targets(count, executor, lambda: (threading.get_ident(), NAME.get()))
    assert (where == threading.get_ident()) is is_here
    assert name == "caller"


@pytest.mark.parametrize("count", [1, INLINE_TARGETS + 1])
async def test_what_the_work_raises_reaches_its_caller(count: int) -> None:
    def work() -> None:
        raise WardgateError(ErrorCode.PROOF_REJECTED, "test")

    with ThreadPoolExecutor(max_workers=1) as executor, pytest.raises(WardgateError) as caught:
        await for_targets(count, executor, work)
    assert caught.value.code is ErrorCode.PROOF_REJECTED
