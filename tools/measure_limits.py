"""Measure on lfw-dev what the quality limits, the detector's reach and the margin cost, and print tables.

::

    python tools/measure_limits.py [--root DIR] [--cache DIR] [--jobs N]

Every figure measured on lfw-dev in config/doorguard.yaml and doorguard/models/README.md stands in these
tables. *Lost* is the share of comparisons of one person with himself that lie above tau at FMR 1e-4; *alike*
the share of pairs of strangers, both treated the same way, that lie within it. A probe is compared with its
person's first picture, or, in the tables on pose and margin, with his most frontal one. The first run takes
some 54,000 looks, seven minutes of one core; what it sees is kept in the cache for later runs.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from limit_looks import AS_IT_IS, CHANGES, MEASURES, Looks, Pictures, look_at_all
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from doorguard.config import Settings
from doorguard.core.model import Quality, QualityFault
from doorguard.core.threshold import ThresholdTable, door_threshold
from doorguard.daemon.roster import match_rules
from doorguard.vision.profile import shipped_profile
from doorguard.vision.quality import distance_m, faults

ROOT = Path(__file__).resolve().parent.parent
FMR = 1e-4
PROBES_ASIS = 20
"""Pictures of one person in the tables on pose and margin, at most: a few are in hundreds."""
RESIDENTS = (10, 200)
PAIRED = 8
"""Pictures of one person in the profile's calibration, at most."""
LIMITS = {
    "face_px_min": ("face_px", QualityFault.TOO_SMALL),
    "sharpness_min": ("sharpness", QualityFault.BLURRED),
    "luma_min": ("luma", QualityFault.TOO_DARK),
    "luma_max": ("luma", QualityFault.TOO_BRIGHT),
    "yaw_max_deg": ("yaw_deg", QualityFault.TURNED),
    "pitch_max_deg": ("pitch_deg", QualityFault.TILTED),
    "roll_max_deg": ("roll_deg", QualityFault.ROLLED),
    "inside_min": ("inside", QualityFault.OUT_OF_FRAME),
}
TOUCHES = {
    AS_IT_IS: ("face_px", ()),
    "shrink": ("face_px", ("face_px_min",)),
    "blur": ("sharpness", ("sharpness_min",)),
    "smear": ("sharpness", ("sharpness_min",)),
    "light": ("luma", ("luma_min", "luma_max")),
    "lean": ("roll_deg", ("roll_max_deg",)),
    "cut_off": ("inside", ("inside_min",)),
    "stand": ("face_px", ("face_px_min",)),
    "stand_once": ("face_px", ("face_px_min",)),
}
"""Which measure a change is about, and the limits on it."""
POSES = {
    "yaw_deg": (0, 10, 20, 30, 35, 90),
    "pitch_deg": (0, 10, 20, 25, 30, 90),
    "roll_deg": (0, 10, 20, 40),
}


class Study:
    """Reads rates out of looks.

    Parameters
    ----------
    pictures : the files.
    looks : by name of the change, as `look_at_all` returns them.

    """

    def __init__(self, pictures: Pictures, looks: dict[str, Looks]) -> None:
        self.settings = Settings()
        self.table = ThresholdTable(shipped_profile(self.settings.vision.encoder).tau)
        self.tau = self.table.at(FMR, templates=1).tau
        self.pictures = pictures
        self.clean = looks[AS_IT_IS]
        self.probes = np.flatnonzero(pictures.is_probe & self.clean["seen"])
        self.looks = {**looks, AS_IT_IS: self.clean[self.probes]}
        self.first = self._best_of_each(pictures.place)
        self.frontal = self._best_of_each(abs(self.clean["yaw_deg"]) + abs(self.clean["pitch_deg"]))
        believed = self.clean["believed"] & (pictures.place < PROBES_ASIS)
        believed[self.frontal] = False
        self.others = np.flatnonzero(believed & (np.bincount(pictures.person)[pictures.person] > 1))

    def _best_of_each(self, cost: NDArray[Any]) -> NDArray[np.intp]:
        """Return per person the picture of least cost, of those that show a face if any does."""
        order = np.lexsort((cost, ~self.clean["seen"]))
        best = np.empty(self.pictures.person.max() + 1, np.intp)
        best[self.pictures.person[order[::-1]]] = order[::-1]
        return best

    def lost(self, looks: Looks, where: NDArray[np.intp], template: NDArray[np.intp]) -> float:
        """Return the share above tau of looks at the pictures `where`, against a template per person."""
        mine = template[self.pictures.person[where]]
        good = looks["seen"] & self.clean["seen"][mine]
        apart = looks["encoding"][good].astype(np.float64) - self.clean["encoding"][mine[good]]
        return share((apart**2).sum(axis=1) > self.tau)

    def alike(self, looks: Looks) -> float:
        """Return the share of pairs of strangers within tau, one look at each person."""
        seen = np.flatnonzero(looks["seen"])
        _, firsts = np.unique(self.pictures.person[self.probes[seen]], return_index=True)
        return share(within(looks["encoding"][seen[firsts]].astype(np.float64)) <= self.tau)

    def faults(self, looks: Looks) -> list[tuple[QualityFault, ...]]:
        """Return what the gate says to each look at which there is a mesh."""
        return [
            faults(Quality(**{name: float(look[name]) for name in MEASURES}), self.settings.quality)
            if look["believed"]
            else (QualityFault.NO_MESH,)
            for look in looks
        ]


def share(truths: Iterable[Any]) -> float:
    """Return the part that is true; not a number when there is none."""
    found = np.fromiter((bool(one) for one in truths), bool)
    return float(found.mean()) if len(found) else float("nan")


def within(encodings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return D of every pair among unit vectors `(n, 128)`."""
    distances: NDArray[np.float64] = (2 - 2 * encodings @ encodings.T)[np.triu_indices(len(encodings), 1)]
    return distances


def percent(value: float, digits: int = 1) -> str:
    if math.isnan(value):
        return "–"
    return f"{value * 100:.{digits}f} %"


# Tables


def table(title: str, *heads: str) -> Table:
    made = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for number, head in enumerate(heads):
        made.add_column(head, justify="right" if number else "left")
    return made


def as_they_are(study: Study) -> Table:
    """What each limit refuses of the pictures as they are."""
    seen = study.clean[study.clean["seen"]]
    title = f"{len(seen):,} news pictures as they are"
    made = table(title, "limit", "at", "refused", "lowest", "median", "99.9 %", "highest")
    presence_min = study.settings.vision.mesh_presence_min
    rows = [("mesh_presence_min", presence_min, seen["presence"], seen["presence"] < presence_min)]
    wrong = study.faults(seen)
    for key, (measure, fault) in LIMITS.items():
        refused = np.array([fault in one for one in wrong])
        rows.append((key, getattr(study.settings.quality, key), abs(seen[measure]), refused))
    for key, limit, values, refused in rows:
        marks = np.percentile(values, (0, 50, 99.9, 100))
        count = f"{np.count_nonzero(refused)} = {percent(share(refused), 2)}"
        made.add_row(key, f"{limit:g}", count, *(f"{mark:.4g}" for mark in marks))
    made.add_row("the gate", "", f"{sum(map(bool, wrong))} = {percent(share(wrong), 2)}")
    return made


def made_worse(study: Study) -> Table:
    """What each limit refuses and saves when pictures get worse, and whom the detector finds."""
    base = study.lost(study.looks[AS_IT_IS], study.probes, study.first)
    error = math.sqrt(base * (1 - base) / len(study.probes))
    people = len(np.unique(study.pictures.person[study.probes]))
    title = f"{len(study.probes):,} pictures of {people} people, made worse on purpose"
    heads = ("found", "median", "limit refuses", "gate refuses", "lost", "of accepted", "alike")
    made = table(f"{title} (standard error of lost, as it is: {percent(error)})", "what", *heads)
    for name, looks in study.looks.items():
        measure, keys = TOUCHES[name.rpartition(" ")[0] if name != AS_IT_IS else name]
        seen = looks["seen"]
        wrong = study.faults(looks[seen])
        passed = np.array([not one for one in wrong], bool)
        own = {LIMITS[key][1] for key in keys}
        made.add_row(
            name,
            percent(looks["found"].mean()),
            f"{measure} {np.median(abs(looks[measure][seen])):.3g}",
            percent(share(own & set(one) for one in wrong)) if own else "",
            percent(share(wrong)),
            percent(study.lost(looks, study.probes, study.first)),
            percent(study.lost(looks[seen][passed], study.probes[seen][passed], study.first)),
            f"{study.alike(looks):.1e}",
        )
    return made


def is_a_face(study: Study) -> Table:
    """Which faces the mesh's own gates refuse, upright or not."""
    made = table("faces the mesh does not take for one", "what", "by presence", "with its place")
    looks_at = {f"lean {degrees:g}": study.looks[f"lean {degrees:g}"] for degrees in CHANGES["lean"][1]}
    for name, every in {"all, as they are": study.clean, **looks_at}.items():
        looks = every[every["seen"]]
        below = looks["presence"] < study.settings.vision.mesh_presence_min
        made.add_row(name, percent(share(below), 2), percent(share(~looks["believed"]), 2))
    return made


def poses(study: Study) -> Table:
    """How much is lost with heads that turn, as found in the pictures."""
    made = table("against the most frontal picture", "degrees", "comparisons", "lost")
    for measure, edges in POSES.items():
        values = abs(study.clean[measure][study.others])
        for low, high in pairwise(edges):
            where = study.others[(values >= low) & (values < high)]
            lost = study.lost(study.clean[where], where, study.frontal)
            made.add_row(f"{measure} {low} to {high}", f"{len(where):,}", percent(lost))
    return made


def margins(study: Study) -> Table:
    """What the margin refuses of the comparisons that tau accepts.

    For each picture and all other people as residents, drawn at random: the chance that none of them is
    nearer than the person himself, and that none is nearer than that plus the margin.
    """
    margin = study.settings.match.margin
    made = table(f"a margin of {margin:g}", "residents", "tau", "comparisons", "refused by the margin")
    passed = np.array([not one for one in study.faults(study.clean[study.others])], bool)
    where = study.others[passed]
    templates = study.clean["encoding"][study.frontal].astype(np.float64)
    apart = 2 - 2 * study.clean["encoding"][where].astype(np.float64) @ templates.T
    rows = np.arange(len(where))
    own = apart[rows, study.pictures.person[where]].copy()
    apart[rows, study.pictures.person[where]] = np.inf
    for residents in RESIDENTS:
        tau = door_threshold(study.table, match_rules(study.settings), residents).tau
        near = own <= tau
        right, clear = (
            (1 - (apart[near] < own[near, None] + more).mean(axis=1)) ** (residents - 1)
            for more in (0.0, margin)
        )
        cost = 1 - clear.sum() / right.sum()
        made.add_row(str(residents), f"{tau:.3f}", f"{np.count_nonzero(near):,}", percent(cost, 3))
    return made


def tau_table(study: Study) -> Table:
    """What the profile's taus give on these people: all first pictures, all pairs of a person's first eight.

    It chose them on the same people, so this shows that nothing has changed since, not how good it is.
    """
    made = table("the profile's tau table", "tau", "FMR told", "found", "FNMR told", "found")
    templates = study.clean["encoding"][study.first].astype(np.float64)
    strangers = within(templates)
    few = (study.pictures.place < PAIRED) & study.clean["seen"]
    people = range(study.pictures.person.max() + 1)
    own = [study.clean["encoding"][few & (study.pictures.person == person)] for person in people]
    genuine = np.concatenate([within(encodings.astype(np.float64)) for encodings in own])
    for entry in reversed(study.table.entries):
        found = (share(strangers <= entry.tau), share(genuine > entry.tau))
        fmr, fnmr = f"{found[0]:.2e}", percent(found[1])
        made.add_row(f"{entry.tau:.4f}", f"{entry.fmr:g} {entry.kind}", fmr, percent(entry.fnmr), fnmr)
    made.caption = f"{len(strangers):,} impostor and {len(genuine):,} genuine comparisons"
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Look, or remember, and print."""
    parser = argparse.ArgumentParser(prog="tools/measure_limits.py", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "lfw-dev", metavar="DIR")
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "doorguard"
    parser.add_argument("--cache", type=Path, default=kept, metavar="DIR")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    chosen = parser.parse_args(arguments)
    pictures = Pictures.below(chosen.root)
    study = Study(pictures, look_at_all(pictures, chosen.cache, chosen.jobs))
    console = Console(width=110)
    camera = study.settings.camera
    reach = distance_m(study.settings.quality.face_px_min, camera.horizontal_view_deg, camera.width)
    console.print(f"{len(pictures.paths):,} pictures; tau {study.tau:g} at FMR {FMR:g}; reach {reach:.2f} m")
    for part in (as_they_are, made_worse, is_a_face, poses, margins, tau_table):
        console.print(part(study))


if __name__ == "__main__":
    main()
