"""The screen: fits its terminal at every size, and says what there is to say."""

from __future__ import annotations

import math
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console, RenderableType
from rich.measure import Measurement
from standins.demo_view import VIEW

from doorguard.adapters.simulated.visits import DEMO_SCRIPT, Expected
from doorguard.core.model import Box, ResidentId
from doorguard.core.policy import State
from doorguard.daemon.view import GuardView, LastLook
from doorguard.demo.picture import Picture, shrink
from doorguard.demo.projector import can_draw
from doorguard.demo.results import Attempt, VisitResult
from doorguard.demo.screen import Moment, draw, table_of

GRANT = Attempt(0.0, True, "match", "Barack", "Barack", (0.74, 0.71, 0.73), 1.05)
DENIAL = Attempt(0.0, False, "no_match", None, "Barack", (2.14, 2.2, 2.19), 1.05)
_ATTEMPTS = {Expected.GRANTED: (GRANT,), Expected.DENIED: (DENIAL, DENIAL), Expected.NOTHING: ()}
RESULTS = [
    VisitResult(visit, "Barack" if visit.person else None, _ATTEMPTS[visit.expected])
    for visit in DEMO_SCRIPT.visits
]
MOMENT = Moment(
    title="A resident comes home",
    clock="visit 1 of 9   0:02 / 0:55",
    view=VIEW,
    nearest="Barack",
    image=np.full((480, 640, 3), 90, np.uint8),
    face=Box(200, 150, 120, 120),
    last=GRANT,
    note="Eileen enrolled, one photograph",
    visits=RESULTS,
    current=3,
)


def _lines(drawn: RenderableType, size: tuple[int, int]) -> list[str]:
    paper = Console(
        width=size[0], height=size[1], file=StringIO(), force_terminal=True, color_system=None, record=True
    )
    paper.print(drawn)
    return paper.export_text().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (81, 25), (100, 30), (120, 40), (200, 60), (80, 60), (200, 24)])
@pytest.mark.parametrize("image_size", [(480, 640), (720, 1280), (1080, 810)])
def test_screen_fits_the_terminal_and_uses_no_line_more(
    size: tuple[int, int], image_size: tuple[int, int]
) -> None:
    image = np.zeros((*image_size, 3), np.uint8)

    lines = _lines(draw(replace(MOMENT, image=image), size), size)

    assert len(lines) <= size[1]
    assert max(map(len, lines)) <= size[0]


def test_screen_says_the_decision_its_distances_tau_and_the_stages() -> None:
    text = "\n".join(_lines(draw(MOMENT, (80, 24)), (80, 24)))

    for said in (
        "front door", "0:02 / 0:55", "RELEASED", "granted", "D 0.731 to Barack", "tau 1.053", "LET IN Barack",
        "D 0.74 0.71 0.73", "enough frames match one resident", "Eileen enrolled", "4.2 ms a frame",
        "detect 1.3", "mesh 1.5", "encode 1.1", "compare 0.1", "A stranger keeps trying", "denied 2 times",
    ):  # fmt: skip
        assert said in text


def test_screen_of_a_denial_says_locked_and_why() -> None:
    view = replace(
        VIEW, state=State.DENIED, strike_released=False, look=LastLook(1, ResidentId("a"), 2.15, 2.4)
    )
    text = "\n".join(_lines(draw(replace(MOMENT, view=view, last=DENIAL), (80, 24)), (80, 24)))

    for said in ("LOCKED", "DENIED", "D 2.150", "no resident within tau"):
        assert said in text


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (None, "starting"),
        (replace(VIEW, threshold=None), "no tau in force"),
        (replace(VIEW, look=None), "no face to compare"),
        (replace(VIEW, look=LastLook(1, None, math.inf, math.inf)), "no face to compare"),
    ],
)
def test_screen_without_something_to_show_says_so(view: GuardView | None, said: str) -> None:
    lines = _lines(draw(replace(MOMENT, view=view), (80, 24)), (80, 24))

    assert said in "\n".join(lines)
    assert len(lines) <= 24


def test_screen_before_anything_happened_fits_as_well() -> None:
    empty = replace(MOMENT, view=None, image=None, face=None, last=None, note="", visits=(), current=0)
    text = "\n".join(_lines(draw(empty, (80, 24)), (80, 24)))

    assert "no picture yet" in text
    assert "no decision yet" in text


def test_screen_of_an_attempt_with_nobody_enrolled_says_so() -> None:
    last = replace(DENIAL, reason="no_templates", distances_sq=())

    assert "nobody to compare with" in "\n".join(_lines(draw(replace(MOMENT, last=last), (80, 24)), (80, 24)))


@pytest.mark.parametrize("current", range(len(RESULTS) + 1))
def test_visit_in_progress_is_always_in_view(current: int) -> None:
    text = "\n".join(_lines(draw(replace(MOMENT, current=current), (80, 24)), (80, 24)))

    shown = RESULTS[min(current, len(RESULTS) - 1)].visit.title
    assert shown in text


def test_disagreeing_visit_is_marked_on_the_screen_and_in_the_table() -> None:
    wrong = [replace(RESULTS[0], attempts=(DENIAL,)), *RESULTS[1:]]

    assert "✘" in "\n".join(_lines(draw(replace(MOMENT, visits=wrong, current=1), (80, 24)), (80, 24)))
    assert "WRONG" in "\n".join(_lines(table_of(wrong), (80, 24)))


def test_table_at_80_columns_has_one_line_a_visit() -> None:
    lines = [line for line in _lines(table_of(RESULTS), (80, 24)) if line.strip()]

    assert len(lines) == 2 + len(RESULTS)
    assert "0.71 <= 1.05" in lines[2]
    assert "2.14 > 1.05" in lines[3]


def test_shrink_takes_the_mean_of_each_part() -> None:
    image = np.zeros((8, 12, 3), np.uint8)
    image[:4, :4] = (80, 160, 240)

    pixels = shrink(image, 3, 2)

    assert pixels[0] == [(80, 160, 240), (0, 0, 0), (0, 0, 0)]
    assert pixels[1] == [(0, 0, 0)] * 3


def test_face_beside_the_picture_is_cut_off() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    box = Box(-30, -30, 50, 200)

    lines = _lines(Picture(image, (10, 5), box, (255, 255, 255)), (20, 10))

    assert lines == ["▀" * 10] * 5


def test_picture_takes_as_many_columns_as_it_was_given() -> None:
    console = Console(width=80, file=StringIO())
    picture = Picture(np.zeros((40, 40, 3), np.uint8), (10, 5), None, (255, 255, 255))

    assert Measurement.get(console, console.options, picture).maximum == 10


@pytest.mark.parametrize(
    ("size", "colours", "terminal", "drawn"),
    [
        ((80, 24), "truecolor", True, True),
        ((79, 24), "truecolor", True, False),
        ((80, 23), "truecolor", True, False),
        ((80, 24), None, True, False),
        ((80, 24), "truecolor", False, False),
    ],
)
def test_screen_is_drawn_only_where_it_can_be_read(
    size: tuple[int, int], colours: str | None, terminal: bool, drawn: bool
) -> None:
    console = Console(
        width=size[0], height=size[1], file=StringIO(), force_terminal=terminal, color_system=colours
    )  # type: ignore[call-overload]

    assert can_draw(console) is drawn
