"""The one exception for mistakes in what the user gave, so that scripts can print it as a line, not a traceback."""


class SpriteError(ValueError):
    """Bad input: the message names the value that was given, what is allowed, and what to change."""
