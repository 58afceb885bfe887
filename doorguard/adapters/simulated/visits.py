"""Who comes to the simulated door, when, how, in which light, and what should come of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

Waypoint = tuple[float, float, float, float]
"""Seconds into the visit; centre of the face x, y and its width, all as shares of the frame's height.

x counts from the middle of the frame, to the right.
"""


class Expected(StrEnum):
    """What a visit should come to; the value stands in the demo's table."""

    GRANTED = "granted"
    DENIED = "denied"
    NOTHING = "no attempt"


@dataclass(frozen=True, slots=True)
class Walker:
    """One person's way through the picture.

    Parameters
    ----------
    photo : a name of `portrait.ANCHORS`.
    way : waypoints in order; the person stands still before the first and is gone after the last.
    sway_px : amplitude of the swaying at the end of the way, pixels of a 480-row frame.
    mirrored : whether the picture is flipped left to right.

    """

    photo: str
    way: tuple[Waypoint, ...]
    sway_px: float = 5.0
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Light:
    """How the light behaves: it falls from 1 to `low` and back `cycles` times a visit."""

    low: float = 1.0
    cycles: float = 1.0

    def gain(self, share: float) -> float:
        """Brightness at `share` (0 to 1) of the visit, 1 being the backdrop's own."""
        return self.low + (1.0 - self.low) * (0.5 + 0.5 * math.cos(2 * math.pi * self.cycles * share))


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit.

    Parameters
    ----------
    title : what happens, for people, in about 26 characters.
    walkers : who is in the picture.
    duration_s : seconds from the first waypoint's picture to the empty door.
    expected : what the door should do.
    person : who should be let in, as the photographs' names begin (`obama`); None for nobody.
    noise : standard deviation of the sensor's noise, grey levels.
    blur_px : standard deviation of the defocus, pixels of a 480-row frame.

    """

    title: str
    walkers: tuple[Walker, ...]
    duration_s: float
    expected: Expected
    person: str | None = None
    light: Light = Light()
    noise: float = 2.0
    blur_px: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """Visits one after the other, with an empty door for `pause_s` before each and after the last."""

    visits: tuple[Visit, ...]
    pause_s: float = 1.2

    @property
    def duration_s(self) -> float:
        """Seconds from start to end."""
        return self.pause_s * (len(self.visits) + 1) + sum(visit.duration_s for visit in self.visits)

    def starts(self) -> Iterator[float]:
        """Seconds at which each visit begins."""
        at = self.pause_s
        for visit in self.visits:
            yield at
            at += visit.duration_s + self.pause_s

    def at(self, elapsed_s: float) -> tuple[int, float] | None:
        """Return the index of the visit in progress and the seconds into it; None while nobody comes."""
        for index, start in enumerate(self.starts()):
            if start <= elapsed_s < start + self.visits[index].duration_s:
                return index, elapsed_s - start
        return None


def _approach(x: float, near: float, stay_s: float) -> tuple[Waypoint, ...]:
    """Come up the path, stand at the door, turn away to the side."""
    return (
        (0.0, 0.6 * x, 0.37, 0.095),
        (1.6, x, 0.41, near),
        (1.6 + stay_s, x, 0.41, near),
        (2.4 + stay_s, math.copysign(0.95, x), 0.42, near * 0.9),
    )


def _resident(
    title: str, walker: Walker, *, light: Light = Light(), noise: float = 2.0, blur_px: float = 0.0
) -> Visit:
    return Visit(title, (walker,), 4.6, Expected.GRANTED, "obama", light, noise, blur_px)


_SPEAKER = Walker("obama-2009", _approach(-0.03, 0.31, 2.2))
_SITTER = Walker("obama-2010", _approach(-0.03, 0.28, 2.2))


NOBODY = Visit("Nobody", (), 1.0, Expected.NOTHING)
RESIDENT = _resident("A resident comes home", _SPEAKER)
LINGERER = Visit(
    "A stranger keeps trying",
    (Walker("biden-2010", _approach(0.03, 0.27, 5.4), sway_px=8.0),),
    8.0,
    Expected.DENIED,
)
CHANGING_LIGHT = _resident("The light comes and goes", _SITTER, light=Light(low=0.5, cycles=1.5))
PASSER_BY = Visit(
    "Walking past, far away",
    (Walker("obama-2010", ((0.0, -0.72, 0.40, 0.108), (3.4, 0.72, 0.39, 0.108)), sway_px=1.0),),
    3.4,
    Expected.NOTHING,
)
STRANGER = Visit(
    "Another stranger looks in",
    (Walker("collins", _approach(0.04, 0.21, 2.4)),),
    4.8,
    Expected.DENIED,
)
COMPANY = Visit(
    "Enrolled now, with company",
    (
        Walker("biden-2010", ((0.0, 0.36, 0.36, 0.10), (1.6, 0.34, 0.36, 0.135), (4.4, 0.36, 0.36, 0.13))),
        Walker("collins", _approach(-0.14, 0.22, 2.0)),
    ),
    4.4,
    Expected.GRANTED,
    "collins",
)
POOR_CAMERA = _resident("A noisy, blurred camera", _SPEAKER, noise=9.0, blur_px=1.0)
SIDE_BY_SIDE = Visit(
    "Two residents side by side",
    (
        Walker("obama-2010", _approach(0.34, 0.16, 2.2)),
        Walker("collins", _approach(-0.2, 0.22, 2.2)),
    ),
    4.6,
    Expected.GRANTED,
    "collins",
)
DISABLED = Visit(
    "Disabled a moment ago",
    (Walker("obama-2010", _approach(-0.03, 0.28, 1.8)),),
    4.2,
    Expected.DENIED,
)

DEMO_SCRIPT = Script(
    (
        RESIDENT, LINGERER, CHANGING_LIGHT, STRANGER, COMPANY,
        POOR_CAMERA, PASSER_BY, SIDE_BY_SIDE, DISABLED,
    )
)  # fmt: skip
"""Expects the first person to be a resident from the start, the second from `COMPANY` on, and the first to be
disabled before `DISABLED`. Nobody who should be let in comes again within the default `decision.regrant_s`.
"""
STILL_SCRIPT = Script((), pause_s=3600.0)
"""Nobody comes for an hour."""
