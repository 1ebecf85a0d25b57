"""What is killed, stopped or broken at whatever moment: the picture is right in the end, and nothing is done twice."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agency_node.settings import NodeSettings
from federation.ledger.entry import EntryKind
from federation.renewal import TLS, certificate_request
from federation.transport.identity import Party, PartyKind
from gateway.keychain import load_keychain as load_gateway_keychain
from gateway.settings import GatewaySettings
from keys.certificates import not_after
from keys.keyring import Keyring
from tests.support.box import KNOWN, NOBODY, Box, box, until
from tests.support.tampering import Database

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

SLOW_POLICE = (
    'duty = { name = "Desk", role = "Public protection", phone = "01632 960210" }\n',
    'duty = { name = "Desk", role = "Public protection", phone = "01632 960210" }\nfaults = { slow_ms = 2500 }\n',
)
"""Police take their time, so that there is a moment in the middle of a query."""


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A region in which one agency is slow; each test leaves it whole."""
    with box(tmp_path_factory.mktemp("faults"), changes=[SLOW_POLICE]) as up:
        yield up


def final_picture(region: Box, query_id: str, wait_s: float = 120) -> dict[str, str]:
    """Outcomes by agency once every target is settled."""
    found: dict[str, str] = {}

    def settled() -> bool:
        picture = region.picture(query_id)
        found.clear()
        found.update({target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]})
        return all(target["final"] for target in picture["targets"])

    until(settled, wait_s=wait_s, pause_s=0.2)
    return found


def newest_query(region: Box, known: set[str]) -> str:
    """The query that has just been put."""
    found: list[str] = []

    def there() -> bool:
        found[:] = [
            entry["query_id"]
            for entry in region.entries("small-csc", kind=EntryKind.QUERY_ASKED)
            if entry["query_id"] not in known
        ]
        return bool(found)

    until(there)
    return found[-1]


def queries(region: Box) -> set[str]:
    return {entry["query_id"] for entry in region.entries("small-csc", kind=EntryKind.QUERY_ASKED)}


WHOLE = {
    "small-police": "records",
    "small-school": "records",
    "small-health": "records",
    "small-yjs": "nothing_held",
}


def assert_told_once(region: Box, query_id: str) -> None:
    """Each disclosure, admission and answer stands in its ledger exactly once, when the picture has closed."""
    closed = EntryKind.PICTURE_CLOSED
    until(lambda: query_id in [entry["query_id"] for entry in region.entries("small-csc", kind=closed)], wait_s=60)
    gateway = Counter(entry["kind"] for entry in region.entries("gateway", query_id=query_id))
    assert gateway["query_admitted"] == 1
    assert gateway["answer_received"] == len(WHOLE)
    for agency in WHOLE:
        answered = [entry for entry in region.entries(agency, query_id=query_id) if entry["kind"] == "answered"]
        assert len(answered) == 1, agency
    opened = Counter(entry["kind"] for entry in region.entries("small-csc", query_id=query_id))
    assert opened["query_asked"] == 1
    assert opened["answer_opened"] == len(WHOLE)
    assert opened["picture_closed"] == 1


@pytest.mark.parametrize("victim", ["gateway", "small-police", "small-csc"])
@pytest.mark.parametrize("after_s", [0.0, 0.6])
def test_kill_in_the_middle_of_a_query_loses_nothing_and_repeats_nothing(
    region: Box, victim: str, after_s: float
) -> None:
    known = queries(region)
    asking = region.begin(*region.asking(KNOWN))
    query_id = newest_query(region, known)
    time.sleep(after_s)

    region.kill(victim)
    region.restart(victim)
    region.wait_up("gateway", "small-csc", "small-police")
    asking.communicate(timeout=60)

    assert final_picture(region, query_id) == WHOLE
    assert_told_once(region, query_id)


def test_a_trustee_that_is_away_for_a_while_delays_and_no_more(region: Box) -> None:
    known = queries(region)
    region.kill("trustee")
    asking = region.begin(*region.asking(KNOWN))
    query_id = newest_query(region, known)
    out, err = asking.communicate(timeout=60)
    assert asking.returncode == 0, err
    assert '"completeness": "incomplete"' in out

    region.restart("trustee")
    region.wait_up("gateway")

    assert final_picture(region, query_id) == WHOLE
    assert_told_once(region, query_id)


def test_a_dead_agency_is_unreachable_and_never_nothing_held(region: Box) -> None:
    region.kill("small-yjs")
    until(lambda: not links(region)["small-yjs"], wait_s=120, pause_s=0.2)

    picture = region.ask(KNOWN)

    states = {target["agency"]: (target["state"], target["outcome"]) for target in picture["targets"]}
    assert states["small-yjs"] == ("unreachable", None)
    assert picture["completeness"] == "incomplete"
    assert picture["missing"] == ["small-yjs"]

    region.restart("small-yjs")
    assert final_picture(region, picture["query_id"]) == WHOLE


def test_an_agency_that_was_off_until_its_certificate_ran_out_comes_back_by_itself(region: Box) -> None:
    region.kill("small-yjs")
    until(lambda: not links(region)["small-yjs"], wait_s=120, pause_s=0.2)
    keyring = Keyring(NodeSettings.load(region.folder.node_config("small-yjs")).keys_dir)
    keyring.publish(TLS, ran_out(region, "small-yjs", timedelta(days=2)))

    region.restart("small-yjs")
    until(lambda: links(region)["small-yjs"], wait_s=120, pause_s=0.2)

    assert not_after(keyring.published(TLS)) > datetime.now(UTC)
    picture = region.ask(KNOWN)
    assert final_picture(region, picture["query_id"]) == WHOLE
    issued = [entry["actor"] for entry in region.entries("gateway", kind=EntryKind.CERTIFICATE_ISSUED)]
    # Each command of an operator's has a certificate too.
    parties = [actor for actor in issued if not actor.startswith("wardgate://operator/")]
    assert parties[-1] == "wardgate://node/small-yjs"


@pytest.mark.parametrize(("away", "everybody"), [(timedelta(hours=30), True), (timedelta(days=20), False)])
def test_a_federation_that_was_off_until_its_certificates_ran_out_comes_back_by_itself(
    region: Box, away: timedelta, *, everybody: bool
) -> None:
    off = ["trustee", *(plan.id for plan in region.region.agencies if everybody)]
    services = ["gateway", *off] if everybody else off
    for service in services:
        region.kill(service)
    known = len(region.entries("gateway", kind=EntryKind.CERTIFICATE_ISSUED))
    keyrings = {service: keyring_of(region, service) for service in off}
    for service, keyring in keyrings.items():
        keyring.publish(TLS, ran_out(region, service, away))

    for service in services:
        region.restart(service)
    for keyring in keyrings.values():
        until(lambda keyring=keyring: not_after(keyring.published(TLS)) > datetime.now(UTC), wait_s=60, pause_s=0.2)
    region.wait_up("gateway", *off, wait_s=60)

    picture = region.ask(KNOWN)
    assert final_picture(region, picture["query_id"]) == WHOLE
    issued = region.entries("gateway", kind=EntryKind.CERTIFICATE_ISSUED)[known:]
    parties = {party_of(service).uri for service in off}
    assert {entry["actor"] for entry in issued} >= parties
    assert "CERTIFICATE_EXPIRED" in region.folder.log("trustee").read_text()


def keyring_of(region: Box, service: str) -> Keyring:
    return Keyring(region.folder.service_data(service) / "keyring")


def party_of(service: str) -> Party:
    return Party(PartyKind.TRUSTEE, "main") if service == "trustee" else Party(PartyKind.NODE, service)


def ran_out(region: Box, service: str, away: timedelta) -> bytes:
    """A certificate as the service had it when it was switched off so long ago."""
    gateway = GatewaySettings.load(region.folder.gateway_config)
    party = party_of(service)
    return load_gateway_keychain(Keyring(gateway.keys_dir)).authority.issue(
        certificate_request(keyring_of(region, service), party),
        identity=party.uri,
        lifetime=timedelta(hours=24),
        now=datetime.now(UTC) - away,
        dns=[party.dns_name] if party.kind is PartyKind.TRUSTEE else [],
    )


def test_an_agency_that_hangs_is_not_answered_for(region: Box) -> None:
    region.pause("small-school")
    try:
        picture = region.ask(KNOWN)
    finally:
        region.resume("small-school")

    outcomes = {target["agency"]: target["outcome"] for target in picture["targets"]}
    assert outcomes["small-school"] is None
    assert outcomes["small-health"] == "records"
    assert final_picture(region, picture["query_id"]) == WHOLE


def test_a_revoked_agency_is_cut_off_within_a_minute(tmp_path_factory: pytest.TempPathFactory) -> None:
    with box(tmp_path_factory.mktemp("revoked")) as region:
        done = region.operate("revoke", "--agency", "small-health", "--reason", "KEY_COMPROMISE")
        assert done.code == 0, done.err

        def is_left_out() -> bool:
            return "small-health" not in {target["agency"] for target in region.ask(KNOWN)["targets"]}

        until(is_left_out, wait_s=120, pause_s=0.2)
        until(lambda: "small-health" not in links(region), wait_s=120, pause_s=0.2)
        until(lambda: "CERTIFICATE_REVOKED" in region.folder.log("small-health").read_text(), wait_s=120)


def links(region: Box) -> dict[str, bool]:
    done = region.operate("links")
    assert done.code == 0, done.err
    return {row["agency"]: row["attached"] for row in done.json["links"]}


def test_a_failing_source_and_an_absent_agency_read_as_what_they_are(tmp_path_factory: pytest.TempPathFactory) -> None:
    changes = [
        ('phone = "01632 960220" }\n', 'phone = "01632 960220" }\nfaults = { source_failing = true }\n'),
        ('phone = "01632 960230" }\n', 'phone = "01632 960230" }\nfaults = { offline = true }\n'),
    ]
    with box(tmp_path_factory.mktemp("broken"), changes=changes) as region:
        picture = region.ask(KNOWN)

        assert told(picture) == {
            "small-police": "records",
            "small-school": "records",
            "small-health": "unreachable",
            "small-yjs": "nothing_held",
        }
        (school,) = (target for target in picture["targets"] if target["agency"] == "small-school")
        assert {item["state"] for item in school["answer"]["reading"]} == {"failing"}
        assert picture["completeness"] == "incomplete"
        assert picture["missing"] == ["small-health", "small-school"]
        assert told(region.ask(NOBODY))["small-school"] == "error"


def told(picture: dict[str, Any]) -> dict[str, str]:
    return {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}


def sizes(region: Box, service: str) -> tuple[int, int]:
    """How many entries a ledger has, and how many of them its newest checkpoint covers."""
    name = service if service in {"gateway", "trustee"} else "node"
    database = region.folder.service_data(service) / f"{name}.db"
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        statement = "SELECT (SELECT count(*) FROM ledger_entry), (SELECT max(size) FROM ledger_checkpoint)"
        entries, signed = connection.execute(statement).fetchone()
    return int(entries), int(signed)


def test_every_ledger_is_signed_while_its_service_runs(region: Box) -> None:
    """Within a minute, and nobody has to ask for it."""
    picture = region.ask(KNOWN)
    final_picture(region, picture["query_id"])
    services = ("gateway", "trustee", *(plan.id for plan in region.region.agencies))
    written = {service: sizes(region, service)[0] for service in services}
    until(lambda: all(sizes(region, service)[1] >= written[service] for service in services), wait_s=120, pause_s=0.5)


def test_a_killed_service_whose_last_entries_are_cut_off_does_not_go_on(region: Box) -> None:
    settings = NodeSettings.load(region.folder.node_config("small-yjs"))
    database = settings.data_dir / "node.db"
    region.kill("small-yjs")
    region.restart("small-yjs")
    region.wait_up("small-yjs")  # it has signed what there was
    region.kill("small-yjs")
    whole = copied(database)
    left = sizes(region, "small-yjs")[1] - 2

    shortened = Database(database)
    shortened.remove(left, len(shortened.contents()))
    shortened.do("DELETE FROM ledger_checkpoint WHERE size > ?", left)
    shortened.close()
    done = region.wardgate("ledger", "verify", "--config", str(region.folder.node_config("small-yjs")), "--json")
    assert (done.code, done.json["first_bad_index"]) == (1, left)
    region.restart("small-yjs")
    process = region.process("small-yjs")
    until(lambda: not process.is_running(), wait_s=60)
    assert "LEDGER_INVALID" in region.folder.log("small-yjs.out").read_text()

    for path in (database, database.with_name("node.db-wal"), database.with_name("node.db-shm")):
        path.unlink(missing_ok=True)
    whole.rename(database)
    region.restart("small-yjs")
    region.wait_up("small-yjs")


def copied(database: Path) -> Path:
    """A copy of a database that nobody has open."""
    copy = database.with_name("copy.db")
    with closing(sqlite3.connect(database)) as own, closing(sqlite3.connect(copy)) as other:
        own.backup(other)
    copy.chmod(0o600)
    return copy
