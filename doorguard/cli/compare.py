"""The command that holds encoders side by side: evaluate compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorguard.cli.evaluate import evaluate
from doorguard.cli.laboratory import (
    CacheFile,
    Face,
    FaceChoice,
    Json,
    Laboratory,
    Mirror,
    NoCache,
    Processes,
    Root,
)
from doorguard.cli.session import session_of

if TYPE_CHECKING:
    from doorguard.lab.compare import Entrant
    from doorguard.lab.pairs import PairList
    from doorguard.lab.people import Folder


def register(app: typer.Typer) -> None:
    """Add the command to the group `evaluate`, which is in the application already."""
    evaluate.command()(compare)


def compare(
    context: typer.Context,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL", help="Ids, full names or profiles; |ΔD| is against the first, the float one say."
        ),
    ],
    root: Root,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Accuracy on these pairs (LFW's format).")
    ] = None,
    as_json: Json = False,
    mirror: Mirror = False,
    face: Face = FaceChoice.CENTRE,
    cache: CacheFile = None,
    no_cache: NoCache = False,
    processes: Processes = None,
) -> None:
    """Encoders on the same pictures: accuracy, FNMR, size, multiply-adds, time, memory, |ΔD|."""
    from doorguard.app.models import named_encoder
    from doorguard.cli.show import print_json
    from doorguard.lab.compare import compare_models, compare_text
    from doorguard.lab.pairs import read_pairs
    from doorguard.lab.people import read_folder

    session = session_of(context)
    folder = read_folder(root)
    listed = None if pairs is None else read_pairs(pairs, folder.root)
    entrants = []
    for name in models:
        profile = named_encoder(session.places, name)
        lab = Laboratory(session, profile, face, cache, no_cache, processes)
        entrants.append(_entrant(lab, folder, listed, mirror=mirror))
    results = compare_models(entrants)
    if as_json:
        print_json({"root": str(root), "models": [result.as_json() for result in results]})
    else:
        typer.echo(compare_text(results))


def _entrant(lab: Laboratory, folder: Folder, listed: PairList | None, *, mirror: bool) -> Entrant:
    """Let one encoder see everything, and measure what it costs."""
    from doorguard.lab.compare import Entrant
    from doorguard.lab.cost import cost_apart
    from doorguard.lab.pairs import evaluate_pairs
    from doorguard.lab.people import group_people
    from doorguard.lab.worker import Shot

    profile = lab.recipe.profile
    samples = lab.encode([Shot(path) for path in folder.paths], profile.encoder_id)
    judged = None
    if listed is not None:
        chosen = lab.encode([Shot(path) for path in listed.paths], "pairs")
        judged = evaluate_pairs(listed, chosen, (profile.model_id, profile.digest), mirror=mirror)
    return Entrant(
        profile.model_id,
        profile.dim,
        profile.input_size,
        profile.pixels.dtype,
        cost_apart(lab.recipe),
        group_people(folder, samples, mirror=mirror),
        judged,
    )
