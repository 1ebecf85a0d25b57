"""What stands in `deploy/` works: the compose file's settings and the commands of `docs/operations.md`, for real.

Containers cannot be started by a test. Everything inside them can: the same settings files, the same commands in the
same order, the same health check; only paths, ports and the database are this machine's.
"""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agency_node.settings import NodeSettings
from federation.settings import ServiceSettings
from gateway.settings import GatewaySettings
from sandbox.processes import free_ports
from tests.support.opa import opa_command, run_opa
from trustee.settings import TrusteeSettings
from wardgate.cli import build

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "deploy" / "compose"
PEOPLE = ("amara", "idris")
INVITES, APPROVES = OPERATORS = ("alice", "bashir")
SETTINGS: dict[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "trustee": TrusteeSettings,
    "node-csc": NodeSettings,
    "node-school": NodeSettings,
}
PATIENCE_S = 60.0
CHILD = "999 000 0018"
RECORD = {
    "nhs_number": CHILD,
    "ref": "e-1",
    "category": "enrolment",
    "type": "enrolment",
    "date": "2026-09-01",
    "fields": {"school_name": "Testshire Academy"},
}

CONTACT = {
    "nhs_number": CHILD,
    "ref": "contact-1",
    "category": "contacts",
    "type": "contact",
    "date": "2026-09-02",
    "fields": {"cont_contact_date": "2026-09-02"},
}


class Federation:
    """Trustee, gateway and two nodes on loopback, brought up by command."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.introductions = root / "introductions"
        self.introductions.mkdir()
        self.approvers: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.operators: dict[str, str] = {}
        self.ports = dict(
            zip(("gateway", "enrolment", "trustee", "node-csc", "node-school"), free_ports(5), strict=True)
        )
        self._sources()

    def _sources(self) -> None:
        for name in ("node-csc", "node-school"):
            (self.root / f"{name}-source").mkdir()
            child = {"nhs_number": CHILD, "flags": []}
            records = [RECORD if name == "node-school" else CONTACT]
            (self.root / f"{name}-source" / "children.jsonl").write_text(json.dumps(child) + "\n")
            (self.root / f"{name}-source" / "records.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))

    def settings(self, name: str) -> dict[str, str]:
        """What this machine has elsewhere than a container."""
        data, known = str(self.root / name), str(self.introductions)
        policy = {
            "POLICY__ENGINE": "embedded",
            "POLICY__SERVER_URL": "",
            "POLICY__BUNDLE_DIR": str(self.root / "bundle"),
            "POLICY__BUNDLE_KEY_FILE": f"{known}/authority.pub",
        }
        gateway_keys = {
            "GATEWAY__VERIFY_KEY_FILE": f"{known}/gateway.pub",
            "GATEWAY__AUDIT_VERIFY_KEY_FILE": f"{known}/audit.pub",
        }
        address = {"GATEWAY__ADDRESS": f"localhost:{self.ports['gateway']}"}
        chosen = {
            "gateway": {
                "DATABASE_URL": "",
                "AUDIT_STATEMENTS_FILE": f"{known}/audit-keys.json",
                "AUDIT_VERIFY_KEY_FILE": f"{known}/audit.pub",
                "OPERATORS": json.dumps(self.operators),
                "LISTEN__HOST": "127.0.0.1",
                "LISTEN__PORT": str(self.ports["gateway"]),
                "LISTEN__ENROLMENT_PORT": str(self.ports["enrolment"]),
                "TRUSTEE__ADDRESS": f"localhost:{self.ports['trustee']}",
                "TRUSTEE__VERIFY_KEY_FILE": f"{known}/trustee.pub",
                **policy,
            },
            "trustee": {
                "LISTEN__HOST": "127.0.0.1",
                "LISTEN__PORT": str(self.ports["trustee"]),
                "DIRECTORY_INTERVAL_S": "1",
                "APPROVERS": json.dumps(self.approvers),
                "GATEWAY__ENROLMENT_ADDRESS": f"localhost:{self.ports['enrolment']}",
                **gateway_keys,
                **address,
            },
        }
        node = {
            "USERS_FILE": str(COMPOSE / f"users-{name.removeprefix('node-')}.toml"),
            "GATEWAY__ENROLMENT_ADDRESS": f"localhost:{self.ports['enrolment']}",
            "GATEWAY__ROOTS_FILE": f"{known}/roots.pem",
            "GATEWAY__TRUSTEE_VERIFY_KEY_FILE": f"{known}/trustee.pub",
            "TEST_NUMBERS": "true",
            "LOCAL__PORT": str(self.ports.get(name, 0)),
            "SOURCES": json.dumps(
                [{"name": "records", "mapping": "wardgate-records", "location": str(self.root / f"{name}-source")}]
            ),
            **gateway_keys,
            **address,
            **policy,
        }
        if name not in SETTINGS:
            return {}
        prefix = f"WARDGATE_{name.partition('-')[0].upper()}_"
        return {prefix + key: value for key, value in {"DATA_DIR": data, **chosen.get(name, node)}.items()}

    def command(self, name: str, *arguments: str) -> str:
        """One `wardgate` command as the operator of a service gives it; its output."""
        done = CliRunner().invoke(build(arguments), arguments, env=self.settings(name))
        assert done.exit_code == 0, f"{' '.join(arguments)}: {done.output}{done.exception!r}"
        return done.stdout

    def program(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A script of `deploy/` as it is run there, as a process of its own."""
        path = str(ROOT / "deploy" / command[0])
        return subprocess.run(
            [sys.executable, path, *command[1:]],
            env={**os.environ, **self.settings(name)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def service(self, name: str, verb: str, *arguments: str) -> str:
        """A command of one service, its settings file named."""
        return self.command(name, name.partition("-")[0], verb, "--config", str(COMPOSE / f"{name}.toml"), *arguments)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """The service as its unit or container runs it."""
        kind, config = name.partition("-")[0], str(COMPOSE / f"{name}.toml")
        with (self.root / f"{name}.out").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "wardgate", kind, "serve", "--config", config],
                env={**os.environ, **self.settings(name)},
                stdout=output,
                stderr=output,
            )
        try:
            yield
        finally:
            process.terminate()
            try:
                ended = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                ended = process.wait()
        assert ended == 0, (self.root / f"{name}.out").read_text()

    def health(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.program(name, "health.py", name.partition("-")[0], "--config", str(COMPOSE / f"{name}.toml"))

    def until_healthy(self, name: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while (found := self.health(name)).returncode != 0:
            log = self.root / f"{name}.out"
            assert time.monotonic() < end, f"{found.stdout}{found.stderr}{log.read_text()[-2_000:]}"

    def introduce(self) -> None:
        """Keys of everybody, and their public halves handed round: docs/operations.md, "The centre, once"."""
        keys = self.introductions
        public, bundle, authority = str(keys / "authority.pub"), str(self.root / "bundle"), str(self.root / "authority")
        self.command("authority", "policy", "keys-init", "--keyring", authority, "--public", public, "--yes")
        self.command("authority", "policy", "sign", "--keyring", authority, "--out", bundle)
        self.command("authority", "policy", "verify", bundle, "--key", public)
        audit = ["--keyring", str(self.root / "auditors"), "--public", str(keys / "audit.pub")]
        statements = str(keys / "audit-keys.json")
        self.command("auditors", "auditor", "keys-init", *audit, "--statements", statements, "--yes")
        for person in PEOPLE:
            made = json.loads(self.command(person, "trustee", "person-key", "--keyring", str(self.root / person)))
            self.approvers[person] = made["verify_key"]
        for operator in OPERATORS:
            self.become_operator(operator)
        self.service("trustee", "keys-init", "--yes")
        self.service("gateway", "keys-init", "--yes")
        for name, files in {"gateway": ("gateway.pub", "roots.pem"), "trustee": ("trustee.pub",)}.items():
            for file in files:
                (keys / file).write_bytes((self.root / name / file).read_bytes())
        for operator in OPERATORS:
            (self.root / "machines" / operator / "roots.pem").write_bytes((keys / "roots.pem").read_bytes())
        request, chain = str(self.root / "trustee" / "trustee-request.pem"), str(self.root / "trustee.pem")
        self.service("gateway", "certify-trustee", "--request", request, "--out", chain)
        installed = ("--chain", chain, "--roots", str(keys / "roots.pem"), "--yes")
        self.service("trustee", "certificate-install", *installed)
        self.service("trustee", "check-config")
        self.service("gateway", "check-config")

    def become_operator(self, name: str) -> None:
        """A key on a machine of their own, whose fingerprint is compared: docs/operations.md, "Operators"."""
        folder = self.root / "machines" / name
        at = ("--gateway", f"localhost:{self.ports['gateway']}", "--enrolment", f"localhost:{self.ports['enrolment']}")
        made = json.loads(self.command(name, "gateway", "operator-key", name, "--folder", str(folder), *at, "--json"))
        self.operators |= tomllib.loads(made["line"])
        assert f"operator {name}: fingerprint {made['fingerprint']}" in self.service("gateway", "check-config")

    def operate(self, name: str, verb: str, *arguments: str) -> Any:
        """A command of one of the gateway's operators, run on their own machine."""
        own = str(self.root / "machines" / name / "operator.toml")
        return json.loads(self.command(name, "gateway", verb, "--as", own, *arguments, "--json"))

    def applied(self, name: str) -> tuple[dict[str, Any], Path, dict[str, Any]]:
        """Invited, and keys presented: the invitation, the token's file and what the node was told."""
        agency = str(COMPOSE / f"agency-{name.removeprefix('node-')}.json")
        invited = self.operate(INVITES, "invite", "--agency", agency)
        token = self.root / f"{name}.token"
        token.write_text(invited["token"])
        presented = ("--token-file", str(token), "--description", agency)
        return {**invited, "file": agency}, token, json.loads(self.service(name, "enrol", *presented, "--json"))

    def reject(self, name: str) -> None:
        """An operator refuses an application, and the agency may be invited anew."""
        invited, _, _ = self.applied(name)
        why = ("--agency", invited["agency"], "--reason", "Nobody there answers the phone.")
        rejected = self.operate(APPROVES, "reject", *why)
        assert rejected == {"agency": invited["agency"], "progress": "rejected"}
        listed = self.operate(INVITES, "enrolments")["enrolments"]
        assert [row["progress"] for row in listed if row["agency"] == invited["agency"]] == ["rejected"]

    def enrol(self, name: str, *, reject_first: bool = False) -> None:
        """Invited, applied, approved by fingerprint, certified: docs/operations.md, "A node beside your systems"."""
        self.service(name, "keys-init", "--yes")
        self.service(name, "check-config")
        if reject_first:
            self.reject(name)
        invited, token, applied = self.applied(name)
        assert applied["enrolled"] is False
        listed = self.operate(INVITES, "enrolments")["enrolments"]
        mine = next(row for row in listed if row["agency"] == invited["agency"])
        assert mine == {**mine, "progress": "awaiting_approval", "key_fingerprint": applied["key_fingerprint"]}
        fingerprint = ("--agency", invited["agency"], "--fingerprint", applied["key_fingerprint"])
        self.operate(APPROVES, "approve", *fingerprint)
        presented = ("--token-file", str(token), "--description", invited["file"])
        assert json.loads(self.service(name, "enrol", *presented, "--json"))["enrolled"] is True
        self.fingerprints[name] = applied["key_fingerprint"]
        self.endorse(invited["agency"], applied["key_fingerprint"])

    def describe(self, name: str) -> None:
        """Another name, signed by the agency, accepted by the operator, approved by two: docs/operations.md."""
        agency = json.loads((COMPOSE / f"agency-{name.removeprefix('node-')}.json").read_text())
        file = self.root / f"{name}-agency.json"
        file.write_text(json.dumps({**agency, "name": "Another name"}))
        assert json.loads(self.service(name, "describe", "--file", str(file), "--json"))["listed"] is False
        (row,) = self.operate(INVITES, "descriptions")["descriptions"]
        assert (row["agency"], list(row["changes"])) == (agency["id"], ["name"])
        accepted = ("--agency", agency["id"], "--description", row["description_sha256"])
        self.operate(APPROVES, "description-accept", *accepted)
        assert json.loads(self.service(name, "describe", "--file", str(file), "--json"))["listed"] is True
        self.endorse(agency["id"], self.fingerprints[name])
        end = time.monotonic() + PATIENCE_S
        while agency["id"] in self.service("trustee", "pending"):
            assert time.monotonic() < end, (self.root / "trustee.out").read_text()[-2_000:]

    def asked_until_someone_is(self, *question: str) -> dict[str, Any]:
        """The picture of node-csc's question, once it has heard that there is somebody to ask."""
        end = time.monotonic() + PATIENCE_S
        while True:
            picture: dict[str, Any] = json.loads(self.service("node-csc", "ask", *question))
            if picture["targets"]:
                return picture
            assert time.monotonic() < end, picture
            time.sleep(0.5)

    def reset(self, name: str) -> None:
        """Keyring and database are lost: docs/operations.md, "An agency that lost its keys"."""
        (self.root / name).rename(self.root / f"{name}-lost")
        file, lost = str(self.root / f"{name}-agency.json"), self.fingerprints[name]
        agency = json.loads(Path(file).read_text())["id"]
        invited = self.operate(INVITES, "invite", "--agency", file, "--reset")
        self.service(name, "keys-init", "--replaces", invited["replaces"], "--yes")
        token = self.root / f"{name}-reset.token"
        token.write_text(invited["token"])
        presented = ("--token-file", str(token), "--description", file, "--json")
        applied = json.loads(self.service(name, "enrol", *presented))
        assert (applied["enrolled"], applied["key_fingerprint"] == lost) == (False, False)
        fingerprint = ("--agency", agency, "--fingerprint", applied["key_fingerprint"])
        self.operate(APPROVES, "approve", *fingerprint)
        assert json.loads(self.service(name, "enrol", *presented))["enrolled"] is True
        self.endorse(agency, applied["key_fingerprint"], "--reset")
        pending = json.loads((self.root / f"{agency}-pending.json").read_text())["pending"]
        assert [(row["fingerprint"], row["resets"]) for row in pending] == [(applied["key_fingerprint"], lost)]

    def endorse(self, agency: str, fingerprint: str, *more: str) -> None:
        """Two of the trustee's people approve the agency, each with a key of their own."""
        pending = self.root / f"{agency}-pending.json"
        end = time.monotonic() + PATIENCE_S
        while agency not in self.service("trustee", "pending", "--out", str(pending)):
            assert time.monotonic() < end, (self.root / "trustee.out").read_text()[-2_000:]
            time.sleep(0.5)
        for person in PEOPLE:
            signed = str(self.root / f"{agency}-{person}.json")
            read_out = ("--fingerprint", fingerprint, "--compared", "Rung, and read out by its head.")
            own = ("--pending", str(pending), "--keyring", str(self.root / person), "--as", person)
            self.command(
                person,
                "trustee",
                "approval-sign",
                agency,
                *own,
                *read_out,
                "--caseload",
                "12000",
                "--out",
                signed,
                *more,
            )
            self.service("trustee", "approval-add", signed)


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(600)  # some forty commands, each a process of its own
def test_the_commands_of_the_operations_page_bring_a_federation_up(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    federation.introduce()
    with ExitStack() as stack:
        for name in ("trustee", "gateway"):
            stack.enter_context(federation.running(name))
        for name in ("gateway", "trustee"):
            federation.until_healthy(name)
        for name in ("node-csc", "node-school"):
            federation.enrol(name, reject_first=name == "node-school")
        school = stack.enter_context(ExitStack())
        school.enter_context(federation.running("node-school"))
        stack.enter_context(federation.running("node-csc"))
        for name in ("node-csc", "node-school"):
            federation.until_healthy(name)
        federation.service("node-school", "index")
        question = ("--user", "m.example", "--purpose", "FRONT_DOOR", "--child", CHILD, "--json")
        attested = ("--attest", "threshold_decision_needed", "--justification", "A contact about bruising.")
        picture = json.loads(federation.service("node-csc", "ask", *question, *attested))
        links = federation.operate(INVITES, "links")["links"]
        status = json.loads(federation.service("node-school", "status", "--json"))
        reason = ("--child", CHILD, "--reason", "subject_access", "--json")
        accounts = {
            name: json.loads(
                federation.service(name, "account", "--user", "g.example", "--approval", "c.example:audit", *reason)
            )
            for name in ("node-csc", "node-school")
        }
        alone = json.loads(federation.service("node-csc", "account", "--user", "g.example", *reason))
        federation.describe("node-school")
        for name in ("node-csc", "node-school"):
            federation.until_healthy(name)
        school.close()
        federation.reset("node-school")
        stack.enter_context(federation.running("node-school"))
        for name in ("node-school", "node-csc"):
            federation.until_healthy(name)
        federation.service("node-school", "index")
        after_reset = federation.asked_until_someone_is(*question, *attested)
        changes = json.loads(federation.service("node-csc", "status", "--json"))["members"]["changes"]

    (question_put,) = accounts["node-csc"]["we_asked"]
    (question_met,) = accounts["node-school"]["asked_us"]
    assert question_put["query_id"] == question_met["query_id"] == picture["query_id"]
    assert (question_put["user"], question_put["opened"]) == ("m.example", ["testshire-academy"])
    assert (question_met["requester"], question_met["outcome"]) == ("testshire-csc", "records")
    assert [told["category"] for decision in question_met["decisions"] for told in decision["told"]] != []
    assert (alone["effect"], set(alone)) == ("deny", {"effect", "reasons"})
    assert {target["agency"]: target["outcome"] for target in picture["targets"]} == {"testshire-academy": "records"}
    assert picture["completeness"] == after_reset["completeness"] == "complete"
    assert {target["outcome"] for target in after_reset["targets"]} == {"records"}
    assert ("testshire-academy", "keys_reset") in {(item["agency"], item["change"]) for item in changes}
    assert {row["misuse_week"] for row in links} == {0}
    assert {row["agency"] for row in links if row["attached"]} == {"testshire-csc", "testshire-academy"}
    assert all(status["components"].values())
    unheld = {"alerts": [], "deciders": [], "more_people": 0, "more_holders": {}}
    assert (status["unheld"], status["reports"]) == (unheld, {"waiting": 0})
    for name in ("gateway", "trustee", "node-csc", "node-school"):
        for place in ((str(tmp_path / name),), ("--config", str(COMPOSE / f"{name}.toml"))):
            verified = federation.command(name, "ledger", "verify", *place)
            assert "entries hold" in verified
            assert "key that lies beside it" in verified
    export = str(tmp_path / "export")
    federation.command("gateway", "ledger", "export", str(tmp_path / "gateway"), export)
    assert "entries hold" in federation.command("gateway", "ledger", "verify", export)


def test_a_service_that_does_not_run_is_not_healthy(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    federation.service("node-csc", "keys-init", "--yes")
    found = federation.health("node-csc")

    assert found.returncode == 1
    assert "PEER_UNAVAILABLE" in found.stderr


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_settings_of_the_compose_file_are_valid(name: str) -> None:
    SETTINGS[name].load(COMPOSE / f"{name}.toml")


# -- the compose file, the image, the units ----------------------------------------------------------------------------


def compose_file() -> dict[str, Any]:
    """The compose file as a YAML reader sees it; there is none among the requirements, and OPA has a strict one."""
    found = json.loads(run_opa(opa_command(), "eval", "--format", "json", "--data", "docker-compose.yml", "data"))
    document: dict[str, Any] = found["result"][0]["expressions"][0]["value"]
    return document


def mounts(service: dict[str, Any]) -> dict[str, str]:
    return {target: source for source, target, *_ in (volume.split(":") for volume in service.get("volumes", []))}


@pytest.mark.opa
def test_every_service_is_hardened_and_has_a_health_check() -> None:
    services = compose_file()["services"]

    assert set(services) == {"postgres", "opa", "gateway", "trustee", "node-csc", "node-school"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith(("0", "root")), name
        assert service["healthcheck"]["test"][0] == "CMD", name


@pytest.mark.opa
def test_what_the_compose_file_names_is_declared_and_exists() -> None:
    document = compose_file()
    for name, service in document["services"].items():
        assert set(service.get("networks", [])) <= set(document["networks"]), name
        assert set(service.get("secrets", [])) <= set(document["secrets"]), name
        for target, source in mounts(service).items():
            if source.startswith("./") and source.endswith((".toml", ".yaml")):
                assert (ROOT / source).is_file(), f"{name}: {target}"
            elif not source.startswith("./deploy/compose/"):
                assert source in document["volumes"], f"{name}: {target}"


@pytest.mark.opa
def test_services_find_in_their_containers_what_their_settings_name() -> None:
    services = compose_file()["services"]
    for name, kind in SETTINGS.items():
        places = mounts(services[name])
        assert services[name]["command"] == [name.partition("-")[0], "serve", "--config", "/etc/wardgate/settings.toml"]
        assert places["/etc/wardgate/settings.toml"] == f"./deploy/compose/{name}.toml"
        text = (COMPOSE / f"{name}.toml").read_text()
        paths = re.findall(r'"(?:sqlite:///)?(/[a-z][^"]*)"', text)
        assert paths, kind
        assert [path for path in paths if not any(path.startswith(place) for place in places)] == [], name


@pytest.mark.opa
def test_no_secret_stands_in_the_compose_file() -> None:
    document = compose_file()
    environments = [service.get("environment", {}) for service in document["services"].values()]
    values = [f"{key}={value}" for environment in environments for key, value in environment.items()]

    assert [value for value in values if re.search(r"(?i)(password|secret|token|key)=", value)] == []
    assert all(set(secret) == {"file"} for secret in document["secrets"].values())


def test_the_image_is_locked_unprivileged_and_healthy_by_its_own_word() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    text = "\n".join(lines)

    assert [line.split()[1] for line in lines if line.startswith("FROM")] == ["${PYTHON_IMAGE}"] * 2
    assert "--require-hashes --only-binary :all: -r requirements/run.txt" in text
    assert [line for line in lines if line.startswith("COPY --from")] == [
        "COPY --from=build /opt/wardgate /opt/wardgate"
    ]
    assert "/opt/wardgate/bin/pip" not in text, "what installs is not in what runs"
    assert "libsodium23" in text
    assert "USER 10001:10001" in text
    assert "HEALTHCHECK" in text
    copied = {line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages <= copied


@pytest.mark.parametrize("service", ["gateway", "trustee", "node"])
def test_a_unit_checks_its_settings_and_then_serves(service: str) -> None:
    unit = (ROOT / "deploy" / "systemd" / f"wardgate-{service}.service").read_text()
    command = f"/opt/wardgate/bin/wardgate {service}"

    assert f"ExecStartPre={command} check-config --config /etc/wardgate/{service}.toml" in unit
    assert f"ExecStart={command} serve --config /etc/wardgate/{service}.toml" in unit
    assert "ProtectSystem=strict" in unit
    assert f"User=wardgate-{service}" in unit
