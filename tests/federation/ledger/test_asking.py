"""Before a ledger goes on, the other holder says how far it had seen it."""

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.ledger import tree
from federation.ledger.asking import AskedBeforeStart
from federation.ledger.checkpoint import Checkpoint, sign_checkpoint
from federation.ledger.journal import Journal
from keys.signing import SigningKey
from tests.support.ledger import KEY, ORIGIN, an_entry


class Peer:
    """The other holder: what it saw, or why it does not answer."""

    def __init__(self, *answers: bytes | WardgateError) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self) -> bytes:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, WardgateError):
            raise answer
        return answer


def away() -> WardgateError:
    return WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")


async def at_once(_: float) -> None:
    """No pause."""


async def written(journal: Journal, count: int) -> bytes:
    await journal.record([an_entry(number) for number in range(count)])
    return (await journal.checkpoint()).note


async def test_what_the_other_holder_saw_is_extended(journal: Journal) -> None:
    seen = await written(journal, 3)
    await AskedBeforeStart(journal, Peer(seen)).check()
    await written(journal, 2)
    await AskedBeforeStart(journal, Peer(seen)).check()
    await AskedBeforeStart(journal, Peer(b"")).check()


@pytest.mark.parametrize(("size", "root"), [(4, tree.EMPTY_ROOT), (3, b"r" * 32)])
async def test_more_than_there_is_or_another_tree_stops_the_service(journal: Journal, size: int, root: bytes) -> None:
    await written(journal, 3)
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root), KEY).note
    with pytest.raises(WardgateError) as caught:
        await AskedBeforeStart(journal, Peer(note)).check()
    assert caught.value.code is ErrorCode.LEDGER_INVALID


async def test_one_that_does_not_answer_is_asked_again_until_it_does(journal: Journal) -> None:
    seen, lost = await written(journal, 3), sign_checkpoint(Checkpoint(ORIGIN, 9, b"r" * 32), KEY).note
    peer = Peer(away(), away(), seen)
    asked = AskedBeforeStart(journal, peer, sleep=at_once)
    await asked.check()
    await asked.run()
    assert peer.asked == 3

    late = AskedBeforeStart(journal, Peer(away(), lost), sleep=at_once)
    await late.check()
    with pytest.raises(WardgateError) as caught:
        await late.run()
    assert caught.value.code is ErrorCode.LEDGER_INVALID


async def test_one_that_has_answered_is_not_asked_again(journal: Journal) -> None:
    peer = Peer(await written(journal, 3))
    asked = AskedBeforeStart(journal, peer, sleep=at_once)
    await asked.check()
    await asked.run()
    assert peer.asked == 1


async def test_what_this_ledger_never_signed_stops_nobody(journal: Journal) -> None:
    made_up = sign_checkpoint(Checkpoint(ORIGIN, 9, b"r" * 32), SigningKey.generate()).note
    peer = Peer(made_up, b"junk", b"")
    asked = AskedBeforeStart(journal, peer, sleep=at_once)
    await asked.check()
    await asked.run()
    assert peer.asked == 3, "it proves nothing, and there is still no answer"
