"""A holder's database is put back to an older state: nobody goes on alone, and all go on together, by command."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from federation.ledger.entry import EntryKind
from federation.ledger.kept import KEPT
from tests.support.box import KNOWN, Box, Finished, box, until
from tests.system.test_faults import copied, final_picture

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(420)]

REASON = "The disk failed; the newest copy is of yesterday."


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box(tmp_path_factory.mktemp("recovery")) as up:
        yield up


@pytest.fixture(scope="module")
def nodes(region: Box) -> list[str]:
    """The agencies that nobody has revoked yet."""
    return [agency.id for agency in region.region.agencies]


class Recovering:
    """One holder whose database is put back, and everybody else."""

    def __init__(self, region: Box, nodes: list[str], keeper: str, counterpart: str, out: Path) -> None:
        self.region = region
        self.keeper = keeper
        self.counterpart = counterpart
        self.out = out
        self.nodes = nodes
        self.files = {"proposed": out / "recovery.json", "agreed": out / "agreed.json"}

    def config(self, service: str) -> str:
        folder = self.region.folder
        configs = {"gateway": folder.gateway_config, "trustee": folder.trustee_config}
        return str(configs[service] if service in configs else folder.node_config(service))

    def run(self, service: str, verb: str, *arguments: str) -> Finished:
        return self.region.wardgate("recovery", verb, "--config", self.config(service), *arguments, "--json")

    def database(self) -> Path:
        return self.region.folder.service_data(self.keeper) / f"{self.keeper}.db"

    def kept(self) -> Path:
        return self.region.folder.service_data(self.keeper) / "keyring" / f"{KEPT}.pem"

    def back_up(self) -> Path:
        """A copy of the database, of a moment at which nobody has it open."""
        self.region.kill(self.keeper)
        copy = copied(self.database()).rename(self.out / "older.db")
        self.region.restart(self.keeper)
        self.region.wait_up(self.keeper, *self.nodes)
        return copy

    def revoke(self, agency: str) -> None:
        """Something that must not be forgotten, and that everybody has seen before it is lost."""
        before = {service: self.size_seen(service) for service in self.nodes}
        assert self.region.operate("revoke", "--agency", agency, "--reason", "key_compromised").code == 0
        self.nodes.remove(agency)
        until(lambda: agency not in settled(self.region), wait_s=60)
        until(lambda: all(self.size_seen(node) > before[node] + 2 for node in self.nodes), wait_s=60, pause_s=0.5)

    def size_seen(self, service: str) -> int:
        """How much a party has seen of the keeper's ledger."""
        done = self.run(service, "seen", "--out", str(self.out / "seen.json"))
        return int(done.json["entries_seen"][f"wardgate/{self.keeper}/main"])

    def put_back(self, copy: Path) -> None:
        self.region.kill(self.keeper)
        for suffix in ("", "-wal", "-shm"):
            self.database().with_name(self.database().name + suffix).unlink(missing_ok=True)
        copy.rename(self.database())

    def refuses_to_start(self, because: str) -> None:
        log = self.region.folder.log(f"{self.keeper}.out")
        log.write_text("")
        self.region.restart(self.keeper)
        process = self.region.process(self.keeper)
        until(lambda: not process.is_running())
        assert "LEDGER_INVALID" in log.read_text()
        assert because in log.read_text()

    def seen(self, services: Sequence[str]) -> list[str]:
        """What these saw, as arguments."""
        found: list[str] = []
        for service in services:
            out = self.out / f"seen-{service}.json"
            assert self.run(service, "seen", "--out", str(out)).code == 0
            found += ["--seen", str(out)]
        return found

    def accept(self, service: str, which: str, *more: str) -> Finished:
        return self.run(service, "accept", "--recovery", str(self.files[which]), "--yes", *more)

    def propose(self, seen: Sequence[str]) -> Any:
        out = str(self.files["proposed"])
        done = self.run(self.keeper, "propose", *seen, "--reason", REASON, "--out", out)
        assert done.code == 0, done.err
        return done.json

    def complete(self, which: str, seen: Sequence[str]) -> Finished:
        return self.run(self.keeper, "complete", "--recovery", str(self.files[which]), *seen, "--yes")


def code_of(failed: Finished) -> str:
    assert failed.code != 0, failed.out
    return str(json.loads(failed.err)["error"]["code"])


def settled(region: Box) -> dict[str, str]:
    return final_picture(region, region.ask(KNOWN)["query_id"])


def walk(recovering: Recovering, last: str) -> None:
    """From the loss to the whole region being up again; `last` is the agency that is asked to accept last."""
    region, keeper, counterpart = recovering.region, recovering.keeper, recovering.counterpart
    others = [node for node in recovering.nodes if node != last]
    recovering.kept().unlink()  # a snapshot of the whole machine was put back: the keyring remembers nothing either
    recovering.refuses_to_start("the other holder has seen")

    seen = recovering.seen([counterpart, *recovering.nodes])
    proposed = recovering.propose(seen)
    assert proposed["entries_seen"] > proposed["entries_kept"] >= proposed["same_up_to"] > 0
    # Neither the keeper alone, nor a member on its word, nor the keeper before the other holder has agreed.
    assert code_of(recovering.accept(keeper, "proposed")) == "RECOVERY_REFUSED"
    assert code_of(recovering.accept(others[0], "proposed")) == "RECOVERY_REFUSED"
    assert code_of(recovering.complete("proposed", seen)) == "RECOVERY_REFUSED"

    agreed = str(recovering.files["agreed"])
    shown = recovering.run(counterpart, "accept", "--recovery", str(recovering.files["proposed"]), "--out", agreed)
    assert (shown.json["done"], Path(agreed).exists()) == (False, False)
    assert recovering.accept(counterpart, "proposed", "--out", agreed).code == 0
    for node in others:
        assert recovering.accept(node, "agreed").code == 0
    assert recovering.complete("agreed", seen).code == 0
    assert recovering.complete("agreed", seen).code == 0  # repeated, as after a crash

    alarms = forks(region, last)
    region.restart(keeper)
    region.wait_up(counterpart, *others)
    until(lambda: forks(region, last) > alarms, wait_s=60, pause_s=0.3)
    assert recovering.accept(last, "agreed").code == 0
    region.wait_up(keeper, counterpart, *recovering.nodes)

    digest = proposed["sha256"]
    (own,) = region.entries(keeper, kind=EntryKind.LEDGER_RECOVERED)
    assert own["body"]["recovery_sha256"] == digest
    for party in (counterpart, *recovering.nodes):
        found = region.entries(party, kind=EntryKind.RECOVERY_ACCEPTED)
        assert digest in {entry["body"]["recovery_sha256"] for entry in found}
    verified = region.wardgate("ledger", "verify", "--config", recovering.config(keeper), "--json")
    assert (verified.code, verified.json["ok"]) == (0, True)


def forks(region: Box, service: str) -> int:
    alarms = region.entries(service, kind=EntryKind.ALARM_RAISED)
    return sum(entry["body"].get("error") == "LEDGER_FORKED" for entry in alarms)


@pytest.mark.parametrize(
    ("keeper", "counterpart", "revoked"), [("gateway", "trustee", "small-yjs"), ("trustee", "gateway", "small-health")]
)
def test_a_database_was_put_back_and_everybody_goes_on_by_command(
    region: Box, nodes: list[str], tmp_path: Path, *, keeper: str, counterpart: str, revoked: str
) -> None:
    recovering = Recovering(region, nodes, keeper, counterpart, tmp_path)
    before = settled(region)
    older = recovering.back_up()
    recovering.revoke(revoked)
    recovering.put_back(older)

    walk(recovering, last="small-school")

    assert settled(region) == {agency: outcome for agency, outcome in before.items() if agency != revoked}
