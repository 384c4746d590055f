"""What is seen from the side? Animals and people in profile, drawn facing right and mirrored for facing left."""

from .beasts import BEASTS
from .birds_and_reptiles import BIRDS_AND_REPTILES
from .walkers import WALKERS

SIDES = (*BEASTS, *BIRDS_AND_REPTILES, *WALKERS)
