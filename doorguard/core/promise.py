"""The promise in force, in numbers and in words: what `config show` prints and the README states."""

from __future__ import annotations

from dataclasses import dataclass

from doorguard.core.model import Threshold
from doorguard.core.threshold import (
    FIXED,
    MatchRules,
    attempt_false_accepts,
    wrong_openings_a_year,
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What tau promises at this door.

    Parameters
    ----------
    threshold : the tau in force and where it comes from.
    rules : the match rules it was derived by.
    attempts_per_visit : how often one visitor may try.
    strangers_a_day : unrelated people who step up to the camera, for the yearly figure.

    """

    threshold: Threshold
    rules: MatchRules
    attempts_per_visit: int
    strangers_a_day: float

    @property
    def per_attempt(self) -> float | None:
        """Bound on grants per attempt of one unrelated stranger; None when tau lies outside the table."""
        return attempt_false_accepts(self.threshold, self.rules)

    @property
    def wrong_openings_a_year(self) -> float | None:
        """Expected at most, when every stranger uses up every attempt; None as above."""
        bound = self.per_attempt
        if bound is None:
            return None
        return wrong_openings_a_year(
            bound, strangers_a_day=self.strangers_a_day, attempts_per_visit=self.attempts_per_visit
        )

    def as_json(self) -> dict[str, object]:
        """JSON values; what nothing is known about is null."""
        return {
            "tau": self.threshold.tau,
            "kind": self.threshold.kind,
            "templates": self.threshold.templates,
            "fmr": self.threshold.fmr,
            "fnmr": self.threshold.fnmr,
            "false_accepts_per_attempt": self.per_attempt,
            "strangers_a_day": self.strangers_a_day,
            "attempts_per_visit": self.attempts_per_visit,
            "wrong_openings_a_year": self.wrong_openings_a_year,
        }

    def as_text(self) -> str:
        """Say it to a person, a line per fact."""
        threshold = self.threshold
        origin = "set by hand, not derived from the target" if threshold.kind == FIXED else threshold.kind
        count = f"{threshold.templates} enabled template{'' if threshold.templates == 1 else 's'}"
        lines = [f"tau {threshold.tau:.4f} ({origin}) for {count}"]
        if self.per_attempt is None or self.wrong_openings_a_year is None:
            lines.append("this tau lies outside the model's table: nothing is promised about strangers")
            return "\n".join(lines)
        lines.append(f"FMR {threshold.fmr:.2e} per comparison, FNMR {threshold.fnmr:.1%} per frame")
        lines.append(f"an unrelated stranger gets in on at most 1 of {1 / self.per_attempt:,.0f} attempts")
        lines.append(
            f"at {self.strangers_a_day:g} strangers a day, each trying {self.attempts_per_visit} times:"
            f" at most {self.wrong_openings_a_year:.1f} wrong openings a year"
        )
        return "\n".join(lines)
