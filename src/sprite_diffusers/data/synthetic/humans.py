"""Which front-facing people are there? Each role says what its people may wear and hold; `_person` dresses one."""

from collections.abc import Callable
from typing import NamedTuple

from .bodies import cape, clothes, eyepatch, held
from .heads import HAIR, Worn, beard, face, hair_behind, hair_front, hat, helmet
from .sketch import Sketch, a, with_parts

_STYLES = ("short", "short", "long", "spiky", "bob", "bun", "afro", "mohawk", "pigtails")


class Role(NamedTuple):
    """What may be drawn for a kind of person; '' in a tuple means: nothing."""

    name: str
    heads: tuple[str, ...]  # hair styles, hats and helmets
    bodies: tuple[str, ...]
    right: tuple[str, ...]  # held in the hand at the right of the picture
    left: tuple[str, ...] = ("",)
    beard: float = 0.0  # share of people with one
    cape: float = 0.0
    eyepatch: float = 0.0


ROLES = (
    Role(
        "man",
        ("short", "short", "spiky", "mohawk", "afro", "cap"),
        ("shirt", "stripes", "tunic"),
        ("", "", "book", "lantern"),
        beard=0.35,
    ),
    Role(
        "woman",
        ("long", "bob", "bun", "afro", "long"),
        ("dress", "shirt", "dress", "tunic"),
        ("", "", "flower", "book"),
        ("", "", "flower"),
    ),
    Role("girl", ("pigtails", "pigtails", "bob", "bun"), ("dress", "overalls", "stripes"), ("", "flower", "book")),
    Role(
        "knight",
        ("helm:closed", "helm:nose", "helm:open", "helm:closed"),
        ("armour",),
        ("sword", "sword", "spear", "axe"),
        ("", "shield"),
        0.1,
        0.25,
    ),
    Role("wizard", ("wizard", "wizard", "hood"), ("robe",), ("staff", "wand", "staff"), ("", "", "book"), 0.7, 0.1),
    Role("witch", ("hair+wizard",), ("dress", "robe"), ("broom", "wand", "staff"), ("", "", "book")),
    Role("king", ("crown",), ("robe", "armour"), ("sceptre", "sword", ""), ("",), 0.7, 0.6),
    Role("queen", ("hair+crown", "hair+tiara"), ("dress",), ("sceptre", "", "flower"), ("",), 0, 0.3),
    Role("princess", ("hair+tiara",), ("dress",), ("", "flower", "wand")),
    Role("viking", ("helm:horned",), ("tunic", "armour"), ("axe", "sword", "spear"), ("", "shield", "shield"), 0.85),
    Role("ninja", ("ninja",), ("tunic",), ("sword", "", "sword"), ("", "sword")),
    Role("archer", ("feather", "hood", "cap"), ("tunic",), ("bow",), ("",), 0.1, 0.2),
    Role(
        "pirate", ("tricorn", "bandana"), ("stripes", "shirt"), ("sword", "", "sword"), ("", "lantern"), 0.35, 0, 0.6
    ),
    Role("farmer", ("straw",), ("overalls",), ("pitchfork", "pitchfork", ""), ("", "flower"), 0.3),
    Role("cook", ("chef",), ("apron",), ("pan", "pan", "")),
    Role("monk", ("hood", "bald"), ("robe",), ("staff", "book", ""), ("", "lantern"), 0.2),
    Role(
        "adventurer",
        ("short", "spiky", "long", "cap", "bandana"),
        ("tunic", "armour"),
        ("sword", "bow", "spear"),
        ("", "shield", "lantern"),
        0.2,
        0.4,
    ),
    Role("miner", ("helm:open",), ("overalls",), ("pickaxe",), ("",), 0.5),
    Role("prince", ("short", "spiky", "crown"), ("tunic", "armour"), ("sword", "", "flower"), ("", "shield"), 0, 0.6),
    Role("merchant", ("turban",), ("robe", "tunic"), ("book", "", "lantern"), ("",), 0.6),
)


def _person(s: Sketch, role: Role) -> None:
    """Paint from the back to the front: cape, hair, body, face, beard, headgear, things held."""
    d = s.dice
    half, shoulders = 3, d.pick((2.5, 3, 3, 3.5)) if s.fine else 3
    choice = d.pick(role.heads)
    skin = s.skin()
    hair_style = choice if choice in _STYLES else d.pick(("long", "long", "bob")) if choice.startswith("hair+") else ""
    bearded = d.chance(role.beard) and choice != "helm:closed"
    hair = s.ramp(*HAIR)
    worn: list[Worn] = []
    taken: tuple[str, ...] = (hair.word,) if hair_style or bearded else ()
    mantle = cape(s, shoulders, taken) if d.chance(role.cape) else None
    if hair_style:
        hair_behind(s, hair_style, hair, half)
    body = clothes(s, d.pick(role.bodies), shoulders, skin, taken)
    taken += tuple(material.word for material in body.materials)
    face(s, skin, half)
    if d.chance(role.eyepatch):
        worn.append(eyepatch(s))
    if bearded:
        worn.append(beard(s, hair, d.chance(0.5)))
    if hair_style:
        worn.append(hair_front(s, hair_style, hair, half))
    if choice.startswith("helm:"):
        worn.append(helmet(s, half, choice[5:]))
    elif choice not in _STYLES and choice != "bald":
        worn.append(hat(s, half, choice.removeprefix("hair+"), taken))
    worn.append(body)
    if mantle:
        worn.append(mantle)
    for side, items in ((True, role.right), (False, role.left)):
        item = d.pick(items)
        if item:
            worn.append(held(s, item, shoulders, side, taken))
    s.outline()
    # Three parts make a short caption; the least telling ones are left out of it.
    for spare in ("beard", "cape", body.part):
        if len(worn) > 3:
            worn = [part for part in worn if part.part != spare]
    phrases = [part.phrase for part in worn]
    pairs = [f"two {phrase.removeprefix('a ')}s" if phrases.count(phrase) > 1 else phrase for phrase in phrases]
    s.tell(
        role.name,
        with_parts(a(role.name), list(dict.fromkeys(pairs))),
        [m for part in worn for m in part.materials],
        [part.part for part in worn],
    )


def _drawer(role: Role) -> Callable[[Sketch], None]:
    def draw(s: Sketch) -> None:
        _person(s, role)

    draw.__name__ = role.name
    return draw


HUMANS = tuple(_drawer(role) for role in ROLES)
