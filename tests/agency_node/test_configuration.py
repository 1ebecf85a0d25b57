"""People, overlay and mappings of a node stand in its ledger, by digest, whenever they are others than before."""

from pathlib import Path
from typing import Any

import pytest

from agency_node.configuration import Configuration
from agency_node.settings import NodeSettings
from agency_node.users import UsersFile
from federation.ledger.entry import EntryKind
from federation.service_record import ServiceRecord
from keys.digest import sha256
from tests.support.node_house import NodeHouse

PERSON = """
[[user]]
id = "{name}"
name = "Sam Okoro"
role = "dsl"
training_expires = 2027-06-30
"""


class Files:
    """A node's files, and its record of them after a start."""

    def __init__(self, node: NodeHouse, folder: Path) -> None:
        self.node, self.folder = node, folder
        self.write("users.toml", PERSON.format(name="sam"))
        self.write("register.toml", "first")
        self.sources = ["register"]
        self.overlay = False

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content, encoding="utf-8")

    def settings(self) -> NodeSettings:
        files = ("verify_key_file", "trustee_verify_key_file", "audit_verify_key_file", "roots_file")
        keys = dict.fromkeys(files, "file")
        content: dict[str, Any] = {
            "agency": "testshire-school",
            "data_dir": self.folder,
            "users_file": self.folder / "users.toml",
            "overlay_file": self.folder / "overlay.json" if self.overlay else None,
            "gateway": {"address": "g:1", "enrolment_address": "g:2", **keys},
            "policy": {"bundle_dir": self.folder, "bundle_key_file": "file"},
            "sources": [
                {"name": name, "mapping": str(self.folder / f"{name}.toml"), "location": str(self.folder)}
                for name in self.sources
            ],
        }
        return NodeSettings(**content)

    async def start(self) -> Configuration:
        settings = self.settings()
        record = ServiceRecord(self.node.journal, self.node.clock)
        configuration = Configuration(settings, record, UsersFile(settings.users_file), self.node.vault)
        await configuration.started()
        return configuration

    async def said(self, kind: EntryKind) -> list[dict[str, Any]]:
        return await self.node.entries(kind)


@pytest.fixture
def files(node: NodeHouse, tmp_path: Path) -> Files:
    folder = tmp_path / "files"
    folder.mkdir()
    return Files(node, folder)


async def test_a_first_start_says_all_and_another_with_the_same_files_nothing(files: Files) -> None:
    await files.start()
    await files.start()

    (people,) = await files.said(EntryKind.USERS_CHANGED)
    (mapping,) = await files.said(EntryKind.MAPPING_CHANGED)
    assert (people["people"], people["usable"], people["before"]) == (1, True, "")
    assert mapping == {"digest": sha256(b"first").hex(), "before": "", "name": "register"}
    assert await files.said(EntryKind.OVERLAY_CHANGED) == []


async def test_people_who_change_while_it_runs_are_said_once(files: Files) -> None:
    configuration = await files.start()
    files.write("users.toml", PERSON.format(name="sam") + PERSON.format(name="jo"))

    await configuration.look_at_people()
    await configuration.look_at_people()

    first, second = await files.said(EntryKind.USERS_CHANGED)
    assert (second["people"], second["before"]) == (2, first["digest"])


async def test_a_users_file_that_cannot_be_used_is_said_to_be_so(files: Files) -> None:
    configuration = await files.start()
    files.write("users.toml", "[[user]")
    await configuration.look_at_people()
    assert [(entry["usable"], entry["people"]) for entry in await files.said(EntryKind.USERS_CHANGED)] == [
        (True, 1),
        (False, 0),
    ]


async def test_the_digest_of_people_says_nothing_to_whoever_guesses_them(files: Files) -> None:
    await files.start()
    content = (files.folder / "users.toml").read_bytes()
    text = await files.node.ledger_text()
    assert sha256(content).hex() not in text
    assert "Okoro" not in text


async def test_overlay_and_mappings_are_said_at_a_start_and_so_is_that_one_has_gone(files: Files) -> None:
    await files.start()
    files.overlay, files.sources = True, ["log"]
    files.write("overlay.json", "{}")
    files.write("log.toml", "log")
    await files.start()
    files.overlay = False
    await files.start()

    assert [(entry["name"], bool(entry["digest"])) for entry in await files.said(EntryKind.MAPPING_CHANGED)] == [
        ("register", True),
        ("log", True),
        ("register", False),
    ]
    assert [bool(entry["digest"]) for entry in await files.said(EntryKind.OVERLAY_CHANGED)] == [True, False]
