"""A member of a region with its own keys and no scruples: puts what it likes, correctly signed."""

import asyncio
import sqlite3
import time
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

from agency_node.asking.composing import Asker, Composed, OwnPseudonym, compose
from agency_node.asking.question import CheckedQuestion, Times
from agency_node.following import read_anchors
from agency_node.keychain import load_keychain
from agency_node.settings import NodeSettings
from federation.directory import DirectoryDocument, TrustedDirectory
from federation.query import CategoryAsked, Period
from federation.transport.certificates import KeyringCertificates
from federation.transport.channel import RotatingChannel
from federation.vocabulary import FamilyInformed, IdentifierState, Tier, Urgency, UserRef
from federation.wire.v1.query_pb2_grpc import QueryServiceStub
from keys.digest import sha256
from keys.keyring import Keyring
from keys.nhs_number import NhsNumber
from keys.pseudonym import blind_identifiers, unblind
from tests.support.poison import JUNK, poisoned


class Member:
    """Acts in the name of a node, beside it.

    Args:
        settings: The node's.
        gateway_db: Where the directory may be read from, so that nothing of a node's own code is needed for it.
    """

    def __init__(self, settings: NodeSettings, gateway_db: Path) -> None:
        self._settings = settings
        self._keyring = Keyring(settings.keys_dir)
        self._keys = load_keychain(self._keyring)
        self._directory = _directory(settings, gateway_db)

    def junk(self, targets: list[str], *, urgency: Urgency = Urgency.ROUTINE) -> Composed:
        """A front-door question whose sealed parts nobody can open."""
        now, number = int(time.time()), NhsNumber.parse("9990000018")
        blinds, blinded = blind_identifiers([number.identifier_input()])
        question = CheckedQuestion(
            user_id="hub",
            child=number,
            purpose="FRONT_DOOR",
            categories=tuple(CategoryAsked(name=name, tier=Tier.T1) for name in ("police_known", "attendance")),
            period=Period(start="2022-01-01", end=time.strftime("%Y-%m-%d")),
            attestations=("threshold_decision_needed", "partner_most_relevant"),
            approvals=(),
            justification="Nothing in particular.",
            family_informed=FamilyInformed.UNSAFE,
            identifier_state=IdentifierState.PRESENT,
            urgency=urgency,
            break_glass="",
            area="testshire",
            case_grant="",
        )
        composed = compose(
            question,
            query_id=str(uuid4()),
            decision_id=str(uuid4()),
            asker=Asker(
                self._directory.agency(self._settings.agency), UserRef("b" * 32), "hub", "Hub Bard", "mash_manager"
            ),
            own=OwnPseudonym(unblind(blinds, blinded)[0], 1),  # any point will do
            targets={name: self._directory.agency(name) for name in targets},
            directory=self._directory,
            times=Times(deadline_s=10, expiry_s=3_600),
            now=now,
            key=self._keys.signing_key,
        )
        return poisoned(composed, self._keys.signing_key, sealed=JUNK)

    async def put(self, *queries: Composed) -> list[str]:
        """Put queries; returns the effect of each."""
        gateway = self._settings.gateway
        certificates = KeyringCertificates(self._keyring)
        async with RotatingChannel(gateway.address, gateway.party, certificates) as channel:
            stub = QueryServiceStub(channel)

            async def effect(composed: Composed) -> str:
                call = stub.Ask(composed.request)
                async with aclosing(aiter(call)) as events:  # type: ignore[type-var]  # gRPC gives a generator
                    first = await anext(events)
                call.cancel()
                return "permit" if b'"effect":"permit"' in first.event.admission.admission else "deny"

            return list(await asyncio.gather(*map(effect, queries)))


def _directory(settings: NodeSettings, gateway_db: Path) -> TrustedDirectory:
    with sqlite3.connect(f"file:{gateway_db}?mode=ro", uri=True) as store:
        content, signature = store.execute(
            "SELECT content, signature FROM directory_version ORDER BY version DESC LIMIT 1"
        ).fetchone()
    anchors = read_anchors(settings)
    version = DirectoryDocument.parse(content).version
    entry = {"directory_sha256": sha256(content).hex(), "version": version}
    return TrustedDirectory.empty(anchors).advance(content, signature, entry=entry)
