"""An answering node as a process of its own, to be killed: says what it has done, one line each, and starts over."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from agency_node.answering.duties import UNDERSTOOD
from agency_node.answering.overlay import Overlay
from agency_node.store.tables import TaskState
from federation.policy.bundle import install_bundle
from federation.policy.evaluator import PolicyPoint
from federation.policy.wasm_engine import WasmEngine
from federation.wire.v1 import link_pb2
from keys.digest import sha256
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.node_house import ListSource, NodeHouse, a_node, log_entry, number, url_of
from tests.support.two_agencies import NOW, Federation

DIST = Path(__file__).parents[2] / "policies" / "dist"


def tasks(folder: Path) -> list[link_pb2.Task]:
    """The tasks that a gateway would deliver, again and again."""
    content = (folder / "tasks.bin").read_bytes()
    found = []
    while content:
        size = int.from_bytes(content[:4], "big")
        found.append(link_pb2.Task.FromString(content[4 : 4 + size]))
        content = content[4 + size :]
    return found


async def main(folder: Path) -> None:
    """Index, accept, refer, decide, answer."""
    secrets = json.loads((folder / "secrets.json").read_text())
    source = ListSource()
    for index in range(secrets["children"]):
        source.hold(number(index), log_entry(number(index), f"log:{index}"))
    with tempfile.TemporaryDirectory() as scratch:
        bundle = install_bundle(DIST, Path(scratch) / "bundle", SigningKey.generate(), clock=lambda: NOW)
        engine = WasmEngine(sandboxes=1)
        policy = PolicyPoint(engine, bundle, lambda: NOW, understood=UNDERSTOOD)
        await policy.activate()
        async with a_node(
            url_of(folder),
            policy,
            federation=Federation.of(secrets["federation"]),
            data_key=Secret(bytes.fromhex(secrets["data_key"])),
            sources=[source],
            overlay=Overlay(categories_refer=("safeguarding_log",)),
            batch_size=4,
        ) as house:
            await live(house, folder)
        await engine.aclose()


async def live(house: NodeHouse, folder: Path) -> None:
    """Do all there is to do, several tasks at once."""
    await house.caseload.update(on_progress=lambda progress: say(f"indexed {progress.done}"))
    await asyncio.gather(*(work(house, task) for task in tasks(folder)))
    say("done")


async def work(house: NodeHouse, task: link_pb2.Task) -> None:
    """One task, from wherever it stands."""
    await house.accept(task)
    say(f"accepted {task.task_id}")
    reply = await house.answering.answer(task.task_id)
    if reply.state is TaskState.REFERRED:
        say(f"referred {task.task_id}")
        for view in await house.decisions.waiting("dsl"):
            if view.referral.task_id == task.task_id:
                await house.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
                say(f"decided {task.task_id}")
        reply = await house.answering.answer(task.task_id)
    assert reply.answer is not None
    say(f"answered {task.task_id} {sha256(reply.answer).hex()}")


def say(line: str) -> None:
    """Tell whoever watches; flushed, so that what was said was done."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
