"""What an operator gives a node besides its settings, in the ledger whenever it changes: people, overlay, mappings.

Overlay and mappings come into force with a start, and are recorded there. The users file is read again whenever it
changes; that it did is recorded within seconds. Digests only: of the people's file a keyed one, which says nothing to
whoever guesses at names.
"""

import asyncio
from pathlib import Path
from typing import Final

from agency_node.settings import NodeSettings
from agency_node.sources.opening import mapping_path
from agency_node.users import UsersFile
from agency_node.vault import Vault
from federation.canonical import JsonObject
from federation.errors import WardgateError
from federation.ledger.entry import EntryKind
from federation.service_record import ServiceRecord
from keys.digest import sha256

LOOK_EVERY_S: Final = 5.0
"""How often the users file is looked at."""


class Configuration:
    """The files of one node."""

    def __init__(self, settings: NodeSettings, record: ServiceRecord, users: UsersFile, vault: Vault) -> None:
        self._settings = settings
        self._record = record
        self._users = users
        self._vault = vault
        self._seen: str | None = None

    async def started(self) -> None:
        """Record what this start brings into force, where it is not what was in force before.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        await self._record.changed(EntryKind.OVERLAY_CHANGED, _digest(self._settings.overlay_file))
        mappings = {source.name: _digest(mapping_path(source.mapping)) for source in self._settings.sources}
        gone = dict.fromkeys(await self._record.last(EntryKind.MAPPING_CHANGED), "")
        for name, digest in sorted((gone | mappings).items()):
            await self._record.changed(EntryKind.MAPPING_CHANGED, digest, name=name)
        await self.look_at_people()

    async def look_at_people(self) -> None:
        """Record the people of this node where the file is another than before.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        content = _content(self._users.path)
        digest = self._vault.content_digest(content) if content else ""
        if digest == self._seen:
            return
        await self._record.changed(EntryKind.USERS_CHANGED, digest, body=self._people())
        self._seen = digest

    def _people(self) -> JsonObject:
        try:
            return {"usable": True, "people": len(self._users.current().by_id)}
        except WardgateError:
            return {"usable": False, "people": 0}

    async def watch(self) -> None:
        """Look at the people again and again, until cancelled. Raises as `look_at_people`."""
        while True:
            await self.look_at_people()
            await asyncio.sleep(LOOK_EVERY_S)


def _digest(path: Path | None) -> str:
    content = b"" if path is None else _content(path)
    return sha256(content).hex() if content else ""


def _content(path: Path) -> bytes:
    """A file's content; nothing where it cannot be read, as whoever uses it will find out."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
