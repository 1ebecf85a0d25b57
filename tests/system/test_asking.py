"""One query, end to end, through separate processes, as a person would put it."""

import json
from typing import Any

import pytest

from federation.ledger.entry import EntryKind
from sandbox.leaks import find_leaks, forbidden_places, needles_of
from tests.support.box import KNOWN, KNOWN_BEFORE, KNOWN_BEFORE_SEALED, LONG_KNOWN, NOBODY, PROTECTED, Box, until

pytestmark = pytest.mark.system


def outcomes(picture: dict[str, Any]) -> dict[str, str]:
    return {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}


def shape(picture: dict[str, Any]) -> list[dict[str, Any]]:
    """Every answer but for when it was made."""
    return [{**target, "answer": {**target["answer"], "answered_at": 0}} for target in answering(picture)]


def answering(picture: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets that were asked: each has answered."""
    return [target for target in picture["targets"] if target["state"] != "not_permitted"]


def test_a_lead_sees_one_joined_picture(region: Box) -> None:
    picture = region.ask(KNOWN)

    assert picture["completeness"] == "complete"
    assert outcomes(picture) == {
        "small-police": "records",
        "small-school": "records",
        "small-health": "records",
        "small-yjs": "nothing_held",
    }
    assert [event["date"] for event in picture["chronology"]] == sorted(e["date"] for e in picture["chronology"])
    assert picture["receipt"]["verified"] is True
    assert picture["closed"] is True


def test_detail_beyond_the_tier_stays_with_the_holder(region: Box) -> None:
    picture = region.ask(KNOWN)

    assert "incident_type" in json.dumps(picture)
    assert "Zanzibar" not in json.dumps(picture)


def test_hidden_looks_exactly_like_not_held(region: Box) -> None:
    hidden, absent = region.ask(PROTECTED), region.ask(NOBODY)

    assert shape(hidden) == shape(absent)
    assert set(outcomes(hidden).values()) == {"nothing_held"}


LASTING = ("cp_plan", "looked_after", "enrolment", "youth_justice")


def test_what_ended_lately_or_is_to_end_shows_however_long_ago_it_began(region: Box) -> None:
    picture = region.ask(LONG_KNOWN, agency="small-health", user="triage", categories=LASTING)

    known = {record["category"] for target in answering(picture) for record in target["answer"]["records"]}
    assert known == set(LASTING)
    assert not any(target["answer"]["older"] for target in answering(picture))


def test_what_ended_before_the_period_is_told_of_as_older_where_it_may_be_told_of(region: Box) -> None:
    before, sealed, nobody = (
        region.ask(child, agency="small-health", user="triage", categories=LASTING)
        for child in (KNOWN_BEFORE, KNOWN_BEFORE_SEALED, NOBODY)
    )

    assert outcomes(before) == outcomes(sealed) == outcomes(nobody)
    assert {target["outcome"] for target in answering(before)} == {"nothing_held"}
    assert [target["agency"] for target in answering(before) if target["answer"]["older"]] == ["small-csc"]
    assert shape(sealed) == shape(nobody)


def alerts(region: Box, agency: str, user: str) -> Any:
    return region.wardgate(
        "node", "alerts", "list", "--dir", str(region.folder.root), "--agency", agency, "--user", user, "--json"
    ).json["alerts"]


def test_a_protected_identity_is_reported_to_the_designated_officer_and_to_nobody_else(region: Box) -> None:
    query_id = region.ask(PROTECTED)["query_id"]

    (alert,) = [item for item in alerts(region, "small-police", "shield") if item["query_id"] == query_id]
    assert alert["obligation"] == "silent_alert"
    assert alerts(region, "small-police", "boss") == []

    place = ["--dir", str(region.folder.root), "--agency", "small-police"]
    stranger = region.wardgate("node", "alerts", "see", alert["alert_id"], *place, "--user", "boss")
    assert "REFERRAL_UNKNOWN" in stranger.err
    done = region.wardgate("node", "alerts", "see", alert["alert_id"], *place, "--user", "shield")
    assert done.code == 0, done.err
    assert alert not in alerts(region, "small-police", "shield")
    assert region.entries("small-police", kind=EntryKind.OBLIGATION_MET)[-1]["query_id"] == query_id


def reported(region: Box, query_id: str) -> dict[str, Any]:
    """What the gateway's ledger has of a misuse that the asker's node refused, as soon as the notice is there."""
    (refusal,) = region.entries("small-csc", kind=EntryKind.QUERY_REFUSED, query_id=query_id)
    decision_id, found = refusal["body"]["decision"]["decision_id"], list[dict[str, Any]]()

    def is_there() -> bool:
        entries = region.entries("gateway", kind=EntryKind.MISUSE_REPORTED)
        found[:] = [entry for entry in entries if entry["body"]["decision_id"] == decision_id]
        return bool(found)

    until(is_there, pause_s=0.1)
    (entry,) = found
    return entry


def test_a_purpose_that_is_never_permitted_is_reported_to_the_askers_own_officer_and_to_the_scheme(region: Box) -> None:
    asking = region.asking(KNOWN)
    # Of one person, cause and purpose an hour's first attempt is told at once: another test has another purpose.
    asking[asking.index("FRONT_DOOR")] = "COMMERCIAL"
    done = region.wardgate(*asking)

    assert done.json["effect"] == "deny", done.err
    (alert,) = [item for item in alerts(region, "small-csc", "dpo") if item["query_id"] == done.json["query_id"]]
    assert (alert["obligation"], alert["to"]) == ("alert_misuse", "dpo")
    entry = reported(region, done.json["query_id"])
    assert (entry["actor"], entry["query_id"], entry["body"]["refused_by"]) == (
        "wardgate://node/small-csc",
        "",
        "node",
    )
    assert (entry["body"]["purpose"], entry["body"]["user_ref"]) == ("COMMERCIAL", alert["user_ref"])
    assert region.entries("gateway", query_id=done.json["query_id"]) == []
    links = region.operate("links").json["links"]
    assert {row["agency"] for row in links if row["misuse_week"]} == {"small-csc"}


def test_a_question_the_law_does_not_know_reaches_nobody(region: Box) -> None:
    before = [entry for entry in region.entries("gateway") if entry["kind"] != EntryKind.MISUSE_REPORTED]

    done = region.wardgate(
        "node", "ask", "--dir", str(region.folder.root), "--agency", "small-csc", "--user", "hub",
        "--purpose", "IMMIGRATION_ENFORCEMENT", "--child", KNOWN, "--json",
    )  # fmt: skip

    assert done.code == 0
    assert done.json["effect"] == "deny"
    assert done.json["completeness"] == "nothing_permitted"
    assert done.json["targets"] == []
    assert "PURPOSE_NEVER_PERMITTED" in {reason["code"] for reason in done.json["reasons"]}
    notice = json.dumps(reported(region, done.json["query_id"]))  # that somebody tried is told, and nothing of whom
    assert not any(secret in notice for secret in (KNOWN, KNOWN.replace(" ", ""), done.json["query_id"]))
    after = [entry for entry in region.entries("gateway") if entry["kind"] != EntryKind.MISUSE_REPORTED]
    assert after == before


def test_every_step_of_a_query_stands_in_three_ledgers_exactly_once(region: Box) -> None:
    picture = region.ask(KNOWN)
    query_id = picture["query_id"]

    def kinds(service: str) -> list[str]:
        found = [entry["kind"] for entry in region.entries(service, query_id=query_id)]
        return sorted(kind for kind in found if kind != EntryKind.OBLIGATION_OPENED)

    assert kinds("gateway") == ["answer_received"] * 4 + ["query_admitted", "query_closed"]
    assert kinds("small-csc") == ["answer_opened"] * 4 + ["picture_closed", "query_asked"]
    for agency in ("small-police", "small-school", "small-health", "small-yjs"):
        assert kinds(agency) == ["answered"]
    opened = [entry for entry in region.entries("small-csc", query_id=query_id) if "obligation" in entry["body"]]
    shown = {item["id"] for item in picture["obligations"] if item["mandatory"]}
    assert opened
    assert {entry["body"]["obligation"] for entry in opened} <= shown


def test_two_queries_about_one_child_share_no_value_at_the_gateway(region: Box) -> None:
    first, second = region.ask(KNOWN)["query_id"], region.ask(KNOWN)["query_id"]

    def digests(query_id: str) -> set[str]:
        text = json.dumps(region.entries("gateway", query_id=query_id))
        return {word for word in text.split('"') if len(word) >= 32 and all(c in "0123456789abcdef" for c in word)}

    by_choice = {
        word
        for entry in region.entries("gateway", kind=EntryKind.QUERY_ADMITTED)
        for word in (
            entry["body"]["user_ref"],
            entry["body"]["decision"]["bundle"]["digest"],
            entry["body"]["decision"]["data_sha256"],
            entry["body"]["decision"]["result_sha256"],
        )
    }
    assert digests(first) & digests(second) <= by_choice


def test_nothing_of_a_child_stands_at_gateway_trustee_or_in_any_log(region: Box) -> None:
    region.ask(KNOWN)
    needles = needles_of(region.region)
    files = list(forbidden_places(region.folder))

    assert len(needles) >= 8
    assert any(path.name == "gateway.db" for path in files)
    assert find_leaks(files, needles) == []


def test_the_search_for_leaks_finds_what_is_there(region: Box) -> None:
    home = region.folder.node("small-police") / "sources"
    files = [path for path in home.rglob("*") if path.is_file()]

    assert find_leaks(files, needles_of(region.region)) != []


@pytest.mark.parametrize(
    ("change", "code", "exit_code"),
    [
        (("--child", "999 000 0019"), "NHS_NUMBER_INVALID", 10),
        (("--purpose", "NO_SUCH_PURPOSE"), "PURPOSE_UNKNOWN", 10),
        (("--category", "no_such_category:T1"), "CATEGORY_UNKNOWN", 10),
        (("--category", "attendance:T9"), "TIER_UNKNOWN", 10),
        (("--user", "nobody"), "USER_UNKNOWN", 10),
        (("--agency", "no-such-agency"), "AGENCY_UNKNOWN", 10),
        (("--from", "2026-02-31"), "PERIOD_INVALID", 10),
        (("--from", "2199-12-31"), "PERIOD_INVALID", 10),
        (("--justification", "x" * 4001), "MESSAGE_MALFORMED", 10),
    ],
)
def test_a_mistake_is_a_coded_error_and_goes_nowhere(
    region: Box, change: tuple[str, str], code: str, exit_code: int
) -> None:
    before = len(region.entries("gateway"))

    done = region.wardgate(*region.asking(KNOWN, more=change))

    assert done.code == exit_code
    assert json.loads(done.err)["error"]["code"] == code
    assert "9990000019" not in done.err.replace(" ", "")
    assert len(region.entries("gateway")) == before


def test_whoever_asks_about_the_future_is_told_which_day_is_meant(region: Box) -> None:
    done = region.wardgate(*region.asking(KNOWN, more=("--from", "2199-12-31")))

    assert "2199-12-31" in json.loads(done.err)["error"]["detail"]


def test_every_ledger_verifies(region: Box) -> None:
    region.ask(KNOWN)
    folder = region.folder
    configs = {"gateway": folder.gateway_config, "trustee": folder.trustee_config}
    configs |= {agency: folder.node_config(agency) for agency in ("small-csc", "small-police")}
    for service in configs:
        data = region.folder.service_data(service)
        for place in ((str(data),), ("--config", str(configs[service]))):
            done = region.wardgate("ledger", "verify", *place, "--key", str(data / "ledger.pub"), "--json")
            assert done.code == 0, done.err
            assert (done.json["ok"], done.json["key"]) == (True, "given")
            assert done.json["extends"] == [str(data / "keyring" / "ledger-checkpoint.pem")]


def test_the_gateway_s_witnesses_have_cosigned_what_their_verifier_keys_prove(region: Box) -> None:
    data, config = region.folder.service_data("gateway"), str(region.folder.gateway_config)
    keys = region.folder.root / "witnesses.pub"
    done = region.wardgate("ledger", "verifier-keys", "--config", config, "--out", str(keys))
    assert done.code == 0, done.err
    names = {line.partition("+")[0] for line in keys.read_text().splitlines()}
    assert names == {"trustee/main", *(f"node/{plan.id}" for plan in region.region.agencies)}
    assert done.out.splitlines()[0] == (data / "ledger.pub").read_text().strip()

    done = region.wardgate("ledger", "verify", "--config", config, "--witnesses", str(keys), "--json")
    assert done.code == 0, done.err
    assert {item["witness"] for item in done.json["cosigned"]} == names


def test_the_verifier_key_of_the_trustee_s_witness_is_the_gateway_s(region: Box) -> None:
    done = region.wardgate("ledger", "verifier-keys", "--config", str(region.folder.trustee_config))
    assert done.code == 0, done.err
    assert [line.partition("+")[0] for line in done.out.splitlines()] == ["wardgate/trustee/main", "gateway/main"]
