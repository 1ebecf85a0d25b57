"""Limits of the wire, each with its reason. Enforced at the edge, before any work."""

from typing import Final

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""One gRPC message: 100 targets with their sealed parts, or one answer of 1 MiB in four parts, with room."""

MAX_HEADER_BYTES: Final = 64 * 1024
"""A query header with 200 targets is about 30 KiB."""

MAX_TARGETS: Final = 200
"""Ten times the 12 to 20 nodes of an area of 100,000 children."""

MAX_CATEGORIES: Final = 64
"""Nearly twice what the shipped bundle knows."""

MAX_ATTESTATIONS: Final = 16
"""Every one that the shipped bundle knows, with room; a purpose asks for a handful."""

MAX_APPROVALS: Final = 8
"""A purpose asks for one or two."""

MAX_TEAM_MEMBERS: Final = 64
"""Ten times a team of the least composition, with room for those who leave and join."""

MAX_OPEN_GRANTS: Final = 1_000
"""Case grants of one team that run at a time: more enquiries than any area has under way."""

MAX_OPEN_TEAMS: Final = 100
"""Teams of one agency that are not closed."""

MAX_CODE_CHARS: Final = 64
"""Purpose, category, role, flag, reason and attestation codes."""

MAX_JUSTIFICATION_CHARS: Final = 4_000
"""A page; longer reasoning belongs in the case record."""

MAX_SEALED_PART_BYTES: Final = 64 * 1024
"""A question with its note, padded to 4 or 16 KiB, and what sealing adds."""

MAX_AUDIT_ENVELOPE_BYTES: Final = 16 * 1024 + 1136
"""Justification, name and pseudonym, padded to 4 or 16 KiB, and what sealing adds."""

MAX_REFUSED_ENVELOPE_BYTES: Final = 4 * 1024 + 1136
"""Of a refused query the envelope is kept if it is of the smaller size: enough for half a page of justification. Of a
longer one its SHA-256 stays, in header and ledger, and the requester's node has what it sealed."""

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Plaintext of one answer: about 8,000 record lines; more is refused at the node, with a clear error."""

MAX_BATCH_ELEMENTS: Final = 4_096
"""128 KiB each way; one RFC 9497 proof covers at most 65,535."""

MAX_RECORDS_PER_DECISION: Final = 500
"""Records of one child in one policy evaluation."""

MAX_CLOCK_SKEW_S: Final = 30
"""Two machines under NTP are within a second; a signed time further ahead is refused."""

MAX_QUERY_LIFE_S: Final = 24 * 3600 + MAX_CLOCK_SKEW_S
"""The longest expiry of any urgency."""

MAX_NOTICE_AGE_S: Final = 90 * 24 * 3600
"""A notice of refused misuse waits at a node that is off: three times as long as one may be, unless set otherwise."""

MAX_NOTICES_PER_HOUR: Final = 100
"""Notices of one agency taken in an hour: more than all its people misuse it by hand, and no flood of the ledger."""
