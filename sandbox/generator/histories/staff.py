"""People who work there. They do not exist either."""

from typing import Final

from sandbox.generator.dice import Dice

SOCIAL_WORKERS: Final = ("Marigold Trevane", "Osric Penhale", "Tamsin Oldroyd", "Bertrand Hollis", "Ines Calloway")
TEAMS: Final = (
    ("T-MASH", "Multi-agency safeguarding hub"),
    ("T-FH1", "Family Help North"),
    ("T-FH2", "Family Help South"),
    ("T-CP", "Multi-agency child protection team"),
    ("T-CLA", "Children looked after"),
)
HEALTH_VISITORS: Final = ("Petra Lindqvist", "Agnes Farrow", "Rosamund Tull")
CLINICIANS: Final = ("Dr Corin Ashdown", "Dr Lavinia Moss")
CASE_MANAGERS: Final = ("Hector Brindley", "Yolanda Peake")
PRACTICES: Final = ("Castle Walk Surgery", "Millstream Medical Centre", "Plough Lane Practice")


def social_worker(dice: Dice) -> str:
    """A social worker."""
    return dice.pick(SOCIAL_WORKERS)
