"""What a person wants accounted for. Pure."""

from typing import Annotated

from pydantic import Field

from agency_node.asking.question import ApprovalNamed
from federation import limits
from federation.document import Code, Document


class AccountOrder(Document):
    """What the command line or a screen sends: who wants an account of whom, why, and who else stands for it."""

    user: Annotated[str, Field(min_length=1, max_length=200)]
    child: Annotated[str, Field(min_length=1, max_length=64, repr=False)]
    reason: Code
    approvals: Annotated[list[ApprovalNamed], Field(max_length=limits.MAX_APPROVALS)] = Field(default_factory=list)
