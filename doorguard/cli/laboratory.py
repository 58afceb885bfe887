"""What the laboratory's commands share: the encoder meant, the cache, and a bar that moves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorguard.cli.session import Session

if TYPE_CHECKING:
    from doorguard.lab.encodings import Progress
    from doorguard.lab.gallery import Rules
    from doorguard.lab.recipe import Recipe
    from doorguard.lab.worker import Sample, Shot
    from doorguard.vision.profile import ModelProfile

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Root = Annotated[Path, typer.Option("--root", metavar="DIR", help="A folder that holds a folder per person.")]
Profile = Annotated[Path | None, typer.Option("--profile", metavar="FILE", help="Another encoder's profile.")]


class FaceChoice(StrEnum):
    """`lab.recipe.Face`, as every Typer that is allowed here can read it: 0.16 knows no `Literal`."""

    CENTRE = "centre"
    LARGEST = "largest"


Face = Annotated[
    FaceChoice,
    typer.Option("--face", help="Which face counts where a picture shows several."),
]
Mirror = Annotated[
    bool, typer.Option("--mirror", help="Average each encoding with that of the mirrored crop.")
]
CacheFile = Annotated[
    Path | None,
    typer.Option("--cache", metavar="FILE", help="Where encodings are kept (default: the user's cache)."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Encode everything anew, and keep nothing.")]
Processes = Annotated[
    int | None, typer.Option("--processes", min=1, max=256, help="How many cores to use (default: all).")
]
Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="DIR", help="Write curves, histograms and picture sheets.")
]


@dataclass
class Laboratory:
    """One command's encoder and the way to its encodings."""

    session: Session
    profile: Path | ModelProfile | None
    face: FaceChoice
    cache: Path | None
    no_cache: bool
    processes: int | None

    @cached_property
    def recipe(self) -> Recipe:
        """How encodings are made, by the encoder in use unless a profile is named.

        Raises `ModelError`, `ConfigError`.
        """
        from doorguard.app import encoder_in_use
        from doorguard.lab.recipe import Recipe

        settings = self.session.settings
        encoder = self.profile or encoder_in_use(settings, self.session.places)
        return Recipe.of(settings, encoder, "largest" if self.face is FaceChoice.LARGEST else "centre")

    def rules(self, residents: int = 10) -> Rules:
        """What the encoder's profile and the settings promise."""
        from doorguard.app import match_rules
        from doorguard.core.threshold import ThresholdTable
        from doorguard.lab.gallery import Rules

        settings, profile = self.session.settings, self.recipe.profile
        return Rules(
            profile.model_id,
            profile.digest,
            ThresholdTable(profile.tau),
            match_rules(settings),
            settings.quality,
            residents,
        )

    def encode(self, shots: Sequence[Shot], what: str) -> list[Sample]:
        """Encode pictures with a bar on standard error."""
        from doorguard.lab.cache import SampleCache, cache_file
        from doorguard.lab.encodings import Work, encode_all

        with bar(what) as progress:
            if self.no_cache:
                return encode_all(shots, self.recipe, Work(None, progress, self.processes))
            with SampleCache(self.cache or cache_file(os.environ), self.recipe) as cache:
                return encode_all(shots, self.recipe, Work(cache, progress, self.processes))


@contextmanager
def bar(what: str) -> Iterator[Progress]:
    """Show a progress bar on standard error: what is done of how many, and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(what, total=None)

        def progress(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total)

        yield progress
