from .sketch import Sketch
SIDES = ()
