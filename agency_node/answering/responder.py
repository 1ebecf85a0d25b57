"""What the answering half of a node works with, and the answer it seals."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.answering.consideration import Considered
from agency_node.answering.duties import Contacts
from agency_node.answering.overlay import Overlay
from agency_node.answering.task import VerifiedTask
from agency_node.caseload.lookup import Lookup
from agency_node.vault import Vault
from federation.answer import Answer, AnswerHeader, SealedPart, seal_answer
from federation.centre_seen import CentreSeen
from federation.counters import Counters
from federation.directory import AgencyDescriptor, TrustedDirectory
from federation.ledger.journal import Journal
from federation.policy.evaluator import PolicyPoint
from federation.wire.v1 import query_pb2
from keys.envelope import SealingKey
from keys.signing import SigningKey

STANDING_S: Final = 7 * 24 * 3600
"""How long a human may take over a silent referral, and how long the decision then holds for further queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """An agency that is asked.

    Attributes:
        agency_id: This agency.
        directory: The newest trusted directory.
        refresh_directory: Fetches a newer one, if there is one.
        policy: Where this node asks policy; `understood` must be `agency_node.answering.duties.UNDERSTOOD`.
        overlay: What this agency narrows.
        vault: The node's data key.
        lookup: The caseload.
        engine: The node's store, for reading.
        journal: The only way to write.
        counters: What was asked lately.
        key: This agency's signing key.
        sealing_keys: This node's sealing keys by sealing epoch; an old one stays while queries sealed to it may come.
        contacts: How people are reached here.
        contexts: What a reader should know of each source, by its id.
        clock: Seconds since the epoch.
        standing_s: How long a silent referral and its decision stand.
        seen: What this node has seen of the centre, for whoever it answers.
        heard: Takes what a requester had seen of it.
    """

    agency_id: str
    directory: Callable[[], TrustedDirectory]
    refresh_directory: Callable[[], Awaitable[None]]
    policy: PolicyPoint
    overlay: Callable[[], Overlay]
    vault: Vault
    lookup: Lookup
    engine: AsyncEngine
    journal: Journal
    counters: Counters
    key: SigningKey
    sealing_keys: Callable[[], Mapping[int, SealingKey]]
    contacts: Contacts
    contexts: Mapping[str, str]
    clock: Callable[[], float]
    standing_s: int = STANDING_S
    seen: Callable[[], CentreSeen] = CentreSeen
    heard: Callable[[str, CentreSeen], None] = lambda _peer, _seen: None

    @property
    def descriptor(self) -> AgencyDescriptor:
        """This agency as the directory describes it.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`: it is not, or no longer, enrolled.
        """
        return self.directory().agency(self.agency_id).descriptor

    @property
    def epoch(self) -> int:
        """This agency's newest pseudonym epoch, as the directory shows it.

        Raises:
            WardgateError: `AGENCY_UNKNOWN`.
        """
        return self.directory().agency(self.agency_id).epoch

    def seal(self, answer: Answer, task: VerifiedTask, considered: Considered) -> list[SealedPart]:
        """Seal an answer to the query's reply key and sign it.

        Raises:
            WardgateError: `MESSAGE_TOO_LARGE`.
        """
        record = considered.evaluations[0].record
        header = AnswerHeader(
            query_id=task.header.query_id,
            task_id=task.task_id,
            requester=task.header.requester,
            responder=self.agency_id,
            responder_key_version=self.directory().agency(self.agency_id).keys.version,
            purpose=task.header.purpose,
            issued_at=answer.answered_at,
            expires_at=task.header.expires_at,
            decision_id=record.id,
            bundle_digest=bytes.fromhex(record.bundle.digest),
            query_sha256=task.query_sha256,
            part=1,
            total=1,
        )
        answer = answer.model_copy(update={"seen": self.seen()})
        return seal_answer(answer, header, reply_key=task.header.reply_key, key=self.key)

    def message(self, task_id: str, parts: list[SealedPart]) -> bytes:
        """A sealed answer as it is stored and as it leaves: the same bytes every time."""
        return query_pb2.SealedAnswer(
            task_id=task_id,
            responder=self.agency_id,
            parts=[
                query_pb2.AnswerPart(header=part.header, ciphertext=part.ciphertext, signature=part.signature)
                for part in parts
            ],
        ).SerializeToString()
