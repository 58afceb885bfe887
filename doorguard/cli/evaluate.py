"""Commands that measure an encoder on photographs. Nothing here can open the door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorguard.cli.laboratory import (
    CacheFile,
    Face,
    FaceChoice,
    Json,
    Laboratory,
    Mirror,
    NoCache,
    Plot,
    Processes,
    Profile,
    Root,
)
from doorguard.cli.session import session_of

evaluate = typer.Typer(
    help="Measure how good an encoder is, on folders of photographs.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.add_typer(evaluate, name="evaluate")


@evaluate.command()
def pairs(
    context: typer.Context,
    root: Root,
    file: Annotated[Path, typer.Option("--pairs", metavar="FILE", help="Pairs in LFW's format.")],
    as_json: Json = False,
    plot: Plot = None,
    profile: Profile = None,
    mirror: Mirror = False,
    face: Face = FaceChoice.CENTRE,
    cache: CacheFile = None,
    no_cache: NoCache = False,
    processes: Processes = None,
) -> None:
    """Same person or not: accuracy over folds, each at the tau best on the others."""
    from doorguard.cli.show import print_json
    from doorguard.lab.pairs import evaluate_pairs, read_pairs
    from doorguard.lab.text import pairs_text
    from doorguard.lab.worker import Shot

    lab = Laboratory(session_of(context), profile, face, cache, no_cache, processes)
    listed = read_pairs(file, root)
    samples = lab.encode([Shot(path) for path in listed.paths], "encoding")
    model = (lab.recipe.profile.model_id, lab.recipe.profile.digest)
    report = evaluate_pairs(listed, samples, model, mirror=mirror)
    if plot is not None:
        from doorguard.lab.plots import plot_scores

        plot_scores(plot, report.scores, lab.rules().pair_tau, "pairs")
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(pairs_text(report))


@evaluate.command()
def gallery(
    context: typer.Context,
    root: Root,
    residents: Annotated[
        int, typer.Option("--gallery-size", min=1, max=100_000, help="Residents of the door simulated.")
    ] = 10,
    as_json: Json = False,
    plot: Plot = None,
    profile: Profile = None,
    mirror: Mirror = False,
    face: Face = FaceChoice.CENTRE,
    cache: CacheFile = None,
    no_cache: NoCache = False,
    processes: Processes = None,
) -> None:
    """A folder per person: error rates, curves, the shipped thresholds, and a door with residents."""
    from doorguard.cli.show import print_json
    from doorguard.lab.gallery import evaluate_gallery
    from doorguard.lab.people import group_people, read_folder
    from doorguard.lab.text import gallery_text
    from doorguard.lab.worker import Shot

    lab = Laboratory(session_of(context), profile, face, cache, no_cache, processes)
    folder = read_folder(root)
    samples = lab.encode([Shot(path) for path in folder.paths], "encoding")
    report = evaluate_gallery(group_people(folder, samples, mirror=mirror), lab.rules(residents))
    if plot is not None:
        from doorguard.lab.plots import plot_gallery

        plot_gallery(plot, report, lab.recipe)
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(gallery_text(report))


@evaluate.command()
def robustness(
    context: typer.Context,
    root: Root,
    as_json: Json = False,
    profile: Profile = None,
    face: Face = FaceChoice.CENTRE,
    cache: CacheFile = None,
    no_cache: NoCache = False,
    processes: Processes = None,
) -> None:
    """Blur, dark, noise, distance, JPEG, cover, turned heads: what they do at the shipped tau.

    Exit 1 when a degradation lets strangers match three times as often in spite of the quality gate.
    """
    from doorguard.cli.show import print_json
    from doorguard.lab.degrade import CONDITIONS
    from doorguard.lab.people import group_people, read_folder
    from doorguard.lab.robustness import evaluate_robustness, probes_of
    from doorguard.lab.worker import Shot

    lab = Laboratory(session_of(context), profile, face, cache, no_cache, processes)
    folder = read_folder(root)
    people = group_people(folder, lab.encode([Shot(path) for path in folder.paths], "encoding"))
    degraded = lab.encode(probes_of(people, CONDITIONS), "degrading")
    report = evaluate_robustness(people, CONDITIONS, degraded, lab.rules())
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(report.as_text())
    if report.holes:
        raise typer.Exit(1)


@evaluate.command()
def groups(
    context: typer.Context,
    root: Root,
    labels: Annotated[
        Path, typer.Option("--labels", metavar="CSV", help="Name, then one grouping in each further column.")
    ],
    as_json: Json = False,
    profile: Profile = None,
    face: Face = FaceChoice.CENTRE,
    cache: CacheFile = None,
    no_cache: NoCache = False,
    processes: Processes = None,
) -> None:
    """Error rates of each group at the shipped tau, with strangers of the same group."""
    from doorguard.cli.show import print_json
    from doorguard.lab.groups import evaluate_groups, read_labels
    from doorguard.lab.people import group_people, read_folder
    from doorguard.lab.worker import Shot

    lab = Laboratory(session_of(context), profile, face, cache, no_cache, processes)
    known, folder = read_labels(labels), read_folder(root)
    people = group_people(folder, lab.encode([Shot(path) for path in folder.paths], "encoding"))
    report = evaluate_groups(people, known, lab.rules())
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(report.as_text())
