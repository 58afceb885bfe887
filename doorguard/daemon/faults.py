"""Say where an unexpected error came from without repeating what it says."""

from __future__ import annotations

import traceback


def where(error: BaseException) -> str:
    """Return type, file and line of an error.

    Its text is left out on purpose: it could hold pixels, an encoding, a name or a camera's password.

    >>> try: int("x")
    ... except ValueError as error: where(error).startswith("ValueError at ")
    True
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {place}"
