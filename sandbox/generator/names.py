"""Names of people who do not exist: plainly invented, so that nobody mistakes them for anybody."""

from typing import Final

FORENAMES_F: Final = (
    "Abelia", "Brindle", "Calyx", "Damsel", "Elowyn", "Fenella", "Gossamer", "Harebell", "Isolde", "Juniper",
    "Kestrela", "Linnet", "Meadow", "Nettle", "Orla", "Primrose", "Quilla", "Rosalba", "Saffron", "Teasel",
)  # fmt: skip
FORENAMES_M: Final = (
    "Alder", "Bramley", "Corvin", "Drake", "Elmer", "Falcon", "Garth", "Heron", "Ingram", "Jasper",
    "Kelvin", "Larch", "Merlin", "Norwood", "Oakley", "Peregrine", "Quillon", "Rowan", "Sorrel", "Thorne",
)  # fmt: skip
SURNAMES: Final = (
    "Ashgrove", "Bellweather", "Cobblestone", "Dovecote", "Elderbeck", "Foxbarrow", "Goosewing", "Haywain",
    "Ivybridge", "Jackdaw", "Kettlewell", "Lanternside", "Milldam", "Nightingale", "Oxenholme", "Pebblebrook",
    "Quartermile", "Rushlight", "Saltmarsh", "Thistledown", "Underhill", "Vinegarth", "Wheatsheaf", "Yarrowfield",
)  # fmt: skip
STREETS: Final = (
    "Plough Lane",
    "Mill Race",
    "Castle Walk",
    "Orchard Rise",
    "Saddler's Row",
    "Weir Close",
    "Tithe Street",
)
POSTCODE_AREA: Final = "ZZ"
"""No post town has it."""
