"""The demo's screen: what the camera sees, what the door thinks of it, how the visits went. 80×24 and up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.align import Align
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from doorguard.adapters.simulated.visits import Expected
from doorguard.core.model import Box, Image
from doorguard.core.policy import State
from doorguard.core.words import REASON_WORDS
from doorguard.daemon.view import GuardView
from doorguard.demo.picture import Picture, Pixel
from doorguard.demo.results import Attempt, VisitResult

BAR_MAX_SQ = 2.4
"""Right end of the distance's bar; strangers lie around 2, the largest possible distance is 4."""

_FACTS_WIDTH = 38
_STAGES = (
    ("detect", "detect"),
    ("landmarks", "mesh"),
    ("align", "align"),
    ("encode", "encode"),
    ("compare", "compare"),
)
_COLOURS: dict[State, tuple[str, Pixel]] = {
    State.IDLE: ("grey62", (158, 158, 158)),
    State.LOOKING: ("deep_sky_blue1", (0, 175, 255)),
    State.DECIDING: ("yellow1", (255, 235, 60)),
    State.GRANTED: ("green3", (0, 215, 95)),
    State.DENIED: ("red3", (230, 50, 50)),
    State.PAUSED: ("orange3", (215, 135, 0)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Everything the screen shows at one moment.

    Parameters
    ----------
    title : what is going on.
    clock : how far the demo has come, as text.
    view : the daemon; None before its first frame.
    nearest : name of the resident the last face was nearest to.
    image, face : the newest frame and the visitor's box in it, frame pixels.
    last : the last attempt.
    note : what was done to the residents last, one short line.
    visits, current : results so far, and the index of the visit in progress or to come; none with a webcam.

    """

    title: str
    clock: str
    view: GuardView | None
    nearest: str | None
    image: Image | None
    face: Box | None
    last: Attempt | None
    note: str
    visits: Sequence[VisitResult]
    current: int


def draw(moment: Moment, size: tuple[int, int]) -> RenderableType:
    """Lay the screen out for a terminal of `size` columns and rows."""
    width, height = size
    rows = max(min(height - 9, (min(width - _FACTS_WIDTH, 90) - 2) * 3 // 8), 6)
    columns = rows * 8 // 3
    middle = Table.grid(expand=True)
    middle.add_column(width=columns + 2)
    middle.add_column(ratio=1)
    middle.add_row(_camera(moment, (columns, rows)), _facts(moment, rows + 2))
    below = height - rows - 5
    return Group(_header(moment), middle, _visits(moment, max(below, 1)))


def _header(moment: Moment) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right")
    where = f"{moment.view.door} door" if moment.view else "starting"
    line.add_row(
        Text.assemble((" doorguard ", "bold white on dark_blue"), f" {where}, simulated strike"),
        Text(f"{moment.clock} ", style="grey62"),
    )
    return line


def _state(moment: Moment) -> State:
    return moment.view.state if moment.view else State.IDLE


def _camera(moment: Moment, size: tuple[int, int]) -> RenderableType:
    """The picture, framed in the state's colour."""
    colour, pixel = _COLOURS[_state(moment)]
    if moment.image is None:
        inside: RenderableType = Align.center(Text("no picture yet", style="grey50"), vertical="middle")
    else:
        inside = Picture(moment.image, size, moment.face, pixel)
    return Panel(inside, title=moment.title, border_style=colour, padding=0, height=size[1] + 2)


def _facts(moment: Moment, height: int) -> RenderableType:
    colour, _ = _COLOURS[_state(moment)]
    view = moment.view
    released = view is not None and view.strike_released
    door = (
        Text(" RELEASED ", style="bold black on green3")
        if released
        else Text(" LOCKED ", style="bold white on red3")
    )
    lines: list[RenderableType] = [
        Text.assemble("Strike  ", door, "  ", (_state(moment).value, f"bold {colour}")),
        Text(""),
        *_distance(moment),
        Text(""),
        *_last(moment.last),
        Text(""),
        Text(f"{'▸ ' if moment.note else ''}{moment.note}", style="deep_sky_blue1"),
        Text(""),
        *_timing(view),
    ]
    return Panel(Group(*lines), title="the door", border_style=colour, height=height)


def _distance(moment: Moment) -> list[Text]:
    """The visitor's distance to the nearest resident as a bar against tau."""
    view = moment.view
    if view is None or view.threshold is None:
        return [Text("no tau in force: nobody gets in"), Text(""), Text("")]
    tau = view.threshold.tau
    look = view.look
    found = look is not None and math.isfinite(look.distance_sq)
    distance_sq = look.distance_sq if look is not None and found else math.inf
    near = distance_sq <= tau
    said = Text("no face to compare", style="grey50")
    if found:
        said = Text.assemble(
            "D ", (f"{distance_sq:.3f}", "bold green3" if near else "bold red1"), f" to {moment.nearest}"
        )
    return [said, _bar(distance_sq if found else 0.0, tau, near), _scale(tau)]


def _bar(distance_sq: float, tau: float, near: bool) -> Text:
    width = _FACTS_WIDTH - 4
    filled = min(round(distance_sq / BAR_MAX_SQ * width), width)
    mark = min(round(tau / BAR_MAX_SQ * width), width - 1)
    bar = Text()
    for cell in range(width):
        if cell == mark:
            bar.append("┃", "bold white")
        elif cell < filled:
            bar.append("█", "green3" if near else "red1")
        else:
            bar.append("─", "grey35")
    return bar


def _scale(tau: float) -> Text:
    width = _FACTS_WIDTH - 4
    said = f"tau {tau:.3f}"
    mark = min(round(tau / BAR_MAX_SQ * width), width - 1)
    return Text((" " * max(mark - len(said) // 2, 0) + said)[:width], style="grey62")


def _last(last: Attempt | None) -> list[Text]:
    """The last decision, its frames and its reason."""
    if last is None:
        return [Text("no decision yet", style="grey50"), Text(""), Text("")]
    verdict = Text.assemble(("LET IN ", "bold green3"), (last.who or "", "bold")) if last.granted else Text(
        "DENIED", style="bold red1"
    )  # fmt: skip
    frames = " ".join(f"{distance_sq:.2f}" for distance_sq in last.distances_sq) or "nobody to compare with"
    reason = REASON_WORDS[last.reason]
    return [verdict, Text(f"D {frames}", no_wrap=True), Text(reason, style="grey62", no_wrap=True)]


def _timing(view: GuardView | None) -> list[Text]:
    if view is None or not view.stage_ms:
        return []
    stages = [f"{word} {view.stage_ms[key]:.1f}" for key, word in _STAGES if key in view.stage_ms]
    return [
        Text(f"{view.frame_ms:.1f} ms a frame, {view.rate_hz:.0f} a second", no_wrap=True),
        *(Text("  ".join(stages[at : at + 3]), style="grey62", no_wrap=True) for at in (0, 3)),
    ]


def _visits(moment: Moment, lines: int) -> RenderableType:
    """As many visits as there is room for, the current one among them; without a script what to do."""
    if not moment.visits:
        return Panel(Text(moment.note), border_style="grey42", padding=(0, 1))
    table = Table.grid(expand=True)
    table.add_column(width=2)
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    first = min(max(moment.current - lines + 2, 0), max(len(moment.visits) - lines, 0))
    for index, result in list(enumerate(moment.visits))[first : first + lines]:
        table.add_row(*_visit_row(result, index - moment.current))
    return Panel(table, title="visits", border_style="grey42", padding=(0, 1))


def _visit_row(result: VisitResult, place: int) -> tuple[Text, Text, Text]:
    """One visit: before the current one (`place` negative), the current one (0), or to come."""
    if place > 0:
        return Text("·", style="grey42"), Text(result.visit.title, style="grey42"), Text("")
    said = Text(outcome_words(result), style="green3" if result.decided is Expected.GRANTED else "grey70")
    if place == 0:
        return Text("▶", style="yellow1"), Text(result.visit.title, style="bold"), said
    mark = Text("✔", style="green3") if result.agrees else Text("✘", style="bold red1")
    return mark, Text(result.visit.title), said


def outcome_words(result: VisitResult) -> str:
    """Say what the door did, with the distance that tells most; empty while it did nothing."""
    telling, count = result.telling, len(result.attempts)
    if telling is None:
        return "" if result.visit.expected is not Expected.NOTHING else "no attempt"
    if telling.granted or count == 1:
        return attempt_words(telling)
    return attempt_words(telling).replace("denied", f"denied {count} times")


def attempt_words(attempt: Attempt) -> str:
    """Say how one attempt ended: `let in Barack  D 0.73`."""
    distance = "" if attempt.best_sq is None else f"  D {attempt.best_sq:.2f}"
    return f"{f'let in {attempt.who}' if attempt.granted else 'denied'}{distance}"


def table_of(results: Sequence[VisitResult]) -> Table:
    """The table at the end: visits, expected, decided."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("visit", overflow="fold")
    table.add_column("expected")
    table.add_column("decided")
    table.add_column("D and tau", justify="right")
    table.add_column("")
    for result in results:
        table.add_row(*_table_row(result))
    return table


def _table_row(result: VisitResult) -> tuple[Text, ...]:
    telling, tries = result.telling, len(result.attempts)
    opened = telling is not None and telling.granted
    expected = f"{result.visit.expected}{f' {result.person}' if result.person else ''}"
    more = f" {telling.who}" if telling and opened else f" {tries} times" if tries > 1 else ""
    return (
        Text(result.visit.title),
        Text(expected),
        Text(f"{result.decided}{more}", style="green3" if opened else ""),
        Text(_against_tau(telling)),
        Text("ok", style="green3") if result.agrees else Text("WRONG", style="bold red1"),
    )


def _against_tau(attempt: Attempt | None) -> str:
    """Return `0.73 <= 1.03` or `2.10 > 1.03`; empty where nothing was compared."""
    if attempt is None or attempt.best_sq is None or attempt.tau is None:
        return ""
    sign = "<=" if attempt.best_sq <= attempt.tau else ">"
    return f"{attempt.best_sq:.2f} {sign} {attempt.tau:.2f}"
