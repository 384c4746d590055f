"""What do all side views share? The facing, the eye, and how the caption says both."""

from collections.abc import Sequence

from .canvas import INK, WHITE
from .sketch import Material, Sketch, a, with_parts


def face_somewhere(s: Sketch) -> str:
    """Choose and apply the facing: 'left' or 'right'. Shapes drawn from now on look that way."""
    s.flipped = s.dice.chance(0.5)
    return "left" if s.flipped else "right"


def eye(s: Sketch, x: float, y: float, white: bool = False) -> None:
    """One eye with its top left at (x, y); with `white` it has a white part behind the pupil."""
    s.dot(x, y, INK, 1, 1)
    if white:
        s.dot(x - 1, y, WHITE, 1, 1)
    elif s.fine:
        s.dot(x + 0.5 if not s.flipped else x, y, WHITE, 0.5, 0.5)


def tell_facing(
    s: Sketch, kind: str, coat: Material, way: str, features: Sequence[str] = (), colors: Sequence[Material] = ()
) -> None:
    """Outline the drawing and say what it is and where it looks."""
    s.outline()
    text = with_parts(a(f"{coat.word} {kind}"), features) + f" facing {way}"
    s.tell(kind, text, [coat, *colors], [*(feature.split()[-1] for feature in features), f"facing {way}"])
