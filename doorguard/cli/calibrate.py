"""Commands about tau: calibrate, with its check and its household, and replay. None of them sets it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorguard.cli.laboratory import (
    CacheFile,
    Face,
    FaceChoice,
    Json,
    Laboratory,
    NoCache,
    Processes,
    Profile,
    bar,
)
from doorguard.cli.session import Session, session_of
from doorguard.errors import UsageError

if TYPE_CHECKING:
    from doorguard.lab.people import People

Faces = Annotated[
    Path | None, typer.Option("--root", metavar="DIR", help="A folder that holds a folder per person.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="PROFILE", help="Write this new NAME.profile.json.")
]
Check = Annotated[
    bool, typer.Option("--check", help="Tau from half of the people, judged on the other half.")
]
Household = Annotated[
    bool, typer.Option("--household", help="Who of the residents resembles whom, and strangers.")
]
Data = Annotated[
    str | None, typer.Option("--data", metavar="NAME", help="The set's name (default: the folder's).")
]
CohortFile = Annotated[
    Path | None,
    typer.Option(
        "--cohort",
        metavar="FILE",
        help="What synthetic strangers are drawn from: written, or with --household read.",
    ),
]
GallerySize = Annotated[
    int, typer.Option("--gallery-size", min=1, max=100_000, help="Residents of the door --check has.")
]
Splits = Annotated[
    int, typer.Option("--splits", min=1, max=10_000, help="How often --check splits the people.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(calibrate)
    app.command()(replay)


def calibrate(
    context: typer.Context,
    root: Faces = None,
    out: Out = None,
    check: Check = False,
    household: Household = False,
    data: Data = None,
    cohort: CohortFile = None,
    residents: GallerySize = 10,
    splits: Splits = 100,
    as_json: Json = False,
    profile: Profile = None,
    face: Face = FaceChoice.CENTRE,
    cache: CacheFile = None,
    no_cache: NoCache = False,
    processes: Processes = None,
) -> None:
    """Measure strangers' distances for an encoder and write tau for FMR 1e-2 to 1e-7 into a new profile."""
    session = session_of(context)
    if household:
        if root is not None or out is not None or check:
            raise UsageError("--household looks at the residents; leave out --root, --out and --check")
        _household(session, cohort, as_json)
        return
    if root is None or (out is None) == (not check):
        raise UsageError("give --root DIR and either --out PROFILE or --check, or --household alone")
    lab = Laboratory(session, profile, face, cache, no_cache, processes)
    if check:
        _check(lab, root, (residents, splits), as_json)
        return
    assert out is not None
    typed = {"--root": root, "--out": out, "--data": data, "--cohort": cohort, "--profile": profile}
    given = [str(part) for pair in typed.items() if pair[1] is not None for part in pair]
    given += [] if face is FaceChoice.CENTRE else ["--face", face.value]
    command = shlex.join(["doorguard", "calibrate", *given])
    _calibrate(lab, root, (out, cohort), (data or root.resolve().name, command), as_json)


def _people(lab: Laboratory, root: Path) -> People:
    from doorguard.lab.people import group_people, read_folder
    from doorguard.lab.worker import Shot

    folder = read_folder(root)
    return group_people(folder, lab.encode([Shot(path) for path in folder.paths], "encoding"))


def _calibrate(
    lab: Laboratory, root: Path, places: tuple[Path, Path | None], origin: tuple[str, str], as_json: bool
) -> None:
    from doorguard.cli.show import print_json
    from doorguard.lab.calibrate import calibrate as measure
    from doorguard.lab.calibrate import calibration_json, calibration_text
    from doorguard.lab.cohort import fit_cohort, save_cohort
    from doorguard.lab.profile_file import Origin, check_place, write_profile

    out, cohort = places
    check_place(out)
    if cohort is not None and cohort.exists():
        raise UsageError(f"{cohort} is there already; give another name or remove it first")
    people = _people(lab, root)
    found = measure(people.persons)
    data, command = origin
    day = datetime.now(UTC).date()
    base = lab.recipe.profile
    written = write_profile(base, found, people, Origin(data, day, command), out)
    if cohort is not None:
        first = [person.usable[0] for person in people.persons if person.usable]
        told = f"{data}, {day.isoformat()}, {command}"
        save_cohort(fit_cohort(first, base.model_id, reach=found.entries[0].tau, origin=told), cohort)
    if as_json:
        facts = {"model": base.model_id, "profile": str(out), "digest": written.digest}
        print_json({**facts, **calibration_json(found, people)})
        return
    typer.echo(calibration_text(found, people))
    typer.echo(
        f"\nwritten: {out}; to put it in force: doorguard models add {written.path} --profile {out}",
    )


def _check(lab: Laboratory, root: Path, size: tuple[int, int], as_json: bool) -> None:
    from doorguard.app import match_rules
    from doorguard.cli.show import print_json
    from doorguard.lab.splits import check

    residents, splits = size
    people = _people(lab, root)
    rules = match_rules(lab.session.settings)
    with bar("splitting") as progress:
        report = check(people.persons, rules, residents=residents, splits=splits, progress=progress)
    if as_json:
        print_json({"model": lab.recipe.profile.model_id, **report.as_json()})
    else:
        typer.echo(report.as_text())


def _household(session: Session, cohort: Path | None, as_json: bool) -> None:
    from doorguard.app import match_rules, threshold_table
    from doorguard.cli.show import print_json
    from doorguard.core.threshold import door_threshold
    from doorguard.lab.cohort import cohort_file
    from doorguard.lab.household import Limits, members, strangers
    from doorguard.lab.household import household as compare

    settings, vision = session.settings, session.vision
    with session.reading() as store:
        people = members(store, vision.model_id)
    if not people:
        raise UsageError("no enabled resident has a template of this encoder; start with: doorguard enroll")
    table = threshold_table(vision)
    threshold = door_threshold(table, match_rules(settings), sum(len(each.encodings) for each in people))
    limits = Limits(threshold, table.at(settings.enrollment.lookalike_fmr, templates=1).tau, table)
    others = strangers(vision, cohort or cohort_file(vision.profile.path))
    report = compare(people, others, limits)
    if as_json:
        print_json({"model": vision.model_id, **report.as_json()})
    else:
        typer.echo(report.as_text())


def replay(
    context: typer.Context,
    tau: Annotated[float, typer.Option("--tau", metavar="X", help="The squared distance to try.")],
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back: 30d, 12h.")] = "30d",
    as_json: Json = False,
) -> None:
    """Decide stored attempts again at another tau, and show what would have changed."""
    from doorguard.app import policy_rules
    from doorguard.cli.show import print_json
    from doorguard.lab.replay import parse_since
    from doorguard.lab.replay import replay as decide

    session = session_of(context)
    began = datetime.now(UTC) - parse_since(since)
    with session.reading() as store:
        report = decide(
            store.events(),
            began,
            policy_rules(session.settings),
            tau=tau,
            model_id=session.vision.model_id,
        )
        names = {person.resident_id: person.name for person in store.residents()}
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(report.as_text(names))
