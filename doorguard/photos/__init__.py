"""The bundled photographs of the demo and the tests; `SOURCES.md` beside them says where each is from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

NAMES = ("biden-2010", "collins", "obama-2009", "obama-2010", "obama-2012")
"""Three photographs of one person (`obama-`) and one each of two others."""


def path(name: str) -> Path:
    """Return the JPEG file of one of `NAMES`.

    Examples
    --------
    >>> path("obama-2012").name
    'obama-2012.jpg'

    Raises
    ------
    KeyError : no bundled photograph has that name.

    """
    if name not in NAMES:
        raise KeyError(f"no bundled photograph {name!r}; there are {', '.join(NAMES)}")
    return Path(str(files(__name__))) / f"{name}.jpg"
