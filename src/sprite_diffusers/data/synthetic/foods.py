"""What is there to eat and drink? Everything in fruits, sweets and meals."""

from .fruits import FRUITS
from .meals import MEALS
from .sweets import SWEETS

FOODS = (*FRUITS, *SWEETS, *MEALS)
