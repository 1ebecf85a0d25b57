"""What a signature is about. A signature made for one domain never verifies under another."""

from typing import Final

QUERY: Final = "query"
TICKET: Final = "ticket"
ADMISSION: Final = "admission"
ANSWER: Final = "answer"
DIRECTORY: Final = "directory"
DENY_LIST: Final = "deny-list"
KEY_STATEMENT: Final = "key-statement"
POINTS: Final = "points"
BATCH: Final = "batch"
BUNDLE: Final = "bundle"
CERTIFICATE_CLAIM: Final = "certificate-claim"
TEAM: Final = "team"
TEAM_ORDER: Final = "team-order"
CASE_GRANT: Final = "case-grant"
MISUSE_NOTICE: Final = "misuse-notice"
