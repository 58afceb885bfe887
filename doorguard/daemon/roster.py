"""Who may open the door now: the gallery and the tau in force, built from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from doorguard.config import Settings
from doorguard.core.gallery import Gallery, Space, TemplateFault
from doorguard.core.model import ResidentId, Template, Threshold
from doorguard.core.policy import PolicyRules
from doorguard.core.threshold import MatchRules, ThresholdTable, door_threshold
from doorguard.errors import ConfigError, DoorguardError


class TemplateShelf(Protocol):
    """What of the store the roster needs."""

    def templates(self, *, enabled_only: bool = True) -> Sequence[Template]:
        """Decrypted templates; one that cannot be decrypted is left out."""
        ...

    def unusable(self) -> Sequence[tuple[ResidentId, int, str]]:
        """Templates that cannot be decrypted: resident, template, reason."""
        ...


@dataclass(frozen=True, slots=True)
class Roster:
    """Immutable; a change of residents makes another.

    Parameters
    ----------
    gallery : whom a probe is compared with.
    threshold : the tau in force; None while no face may open.
    faults : templates that shut out their resident.
    closed : one line why no face may open, whatever it looks like; empty when faces may.

    """

    gallery: Gallery
    threshold: Threshold | None
    faults: tuple[TemplateFault, ...]
    closed: str


def match_rules(settings: Settings) -> MatchRules:
    """Return the settings' rules about matching."""
    match, decision = settings.match, settings.decision
    return MatchRules(
        match.target_false_accepts, match.tau, match.margin, frames=decision.frames, agree=decision.agree
    )


def policy_rules(settings: Settings) -> PolicyRules:
    """Return the settings' rules about decisions."""
    decision = settings.decision
    return PolicyRules(
        frames=decision.frames,
        agree=decision.agree,
        window_s=decision.window_s,
        attempts_per_visit=decision.attempts_per_visit,
        attempt_gap_s=decision.attempt_gap_s,
        regrant_s=decision.regrant_s,
        frame_age_max_s=decision.frame_age_max_s,
        track_gap_s=decision.track_gap_s,
        margin=settings.match.margin,
    )


def load_roster(shelf: TemplateShelf, space: Space, table: ThresholdTable, rules: MatchRules) -> Roster:
    """Build the roster; a store that cannot be read or a tau that is not known closes the door for faces."""
    try:
        sealed = tuple(TemplateFault(*item) for item in shelf.unusable())
        offered = shelf.templates(enabled_only=True)
    except DoorguardError as error:  # `NotAllowedError`, for one, is no `StoreError`
        return Roster(Gallery(space, ()), None, (), f"the store cannot be read: {error}")
    shut_out = {fault.resident_id for fault in sealed}
    gallery, faults = Gallery.build(
        [template for template in offered if template.resident_id not in shut_out], space
    )
    try:
        threshold = door_threshold(table, rules, gallery.templates)
    except ConfigError as error:
        return Roster(gallery, None, sealed + faults, str(error))
    return Roster(gallery, threshold, sealed + faults, "")
