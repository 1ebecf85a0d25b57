"""What a member had seen of the centre: it travels sealed, in questions and answers, and the gateway cannot strip it.

Two members that were shown two histories of one ledger hold checkpoints that no proof joins. Pure.
"""

from typing import Annotated

from pydantic import Field

from federation.document import Document


class CentreSeen(Document):
    """The sender's view when it wrote.

    Attributes:
        checkpoint: The last checkpoint of the gateway's ledger that it verified, as signed; empty for none.
        register_version: Of the trustee's register; 0 for none.
    """

    checkpoint: Annotated[str, Field(max_length=2_048)] = ""
    register_version: Annotated[int, Field(ge=0, le=2**40)] = 0
