"""Which spells are there? Everything in blasts and charms."""

from .blasts import BLASTS
from .charms import CHARMS

SPELLS = (*BLASTS, *CHARMS)
