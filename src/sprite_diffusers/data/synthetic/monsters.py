"""Which front-facing monsters are there? Everything in critters and fiends."""

from .critters import CRITTERS
from .fiends import FIENDS

MONSTERS = (*CRITTERS, *FIENDS)
