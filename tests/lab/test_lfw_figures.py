"""The shipped thresholds on a quarter of lfw-dev's people: the card's figures, within what so few can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorguard.app import match_rules
from doorguard.config import Settings
from doorguard.core.threshold import ThresholdTable
from doorguard.lab.comparisons import compare_all
from doorguard.lab.encodings import Work, encode_all
from doorguard.lab.gallery import at_tau
from doorguard.lab.people import Folder, group_people, read_folder
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import Shot
from doorguard.vision.pipeline import FacePipeline

pytestmark = [pytest.mark.lfw, pytest.mark.slow, pytest.mark.timeout(600)]


def test_thresholds_give_what_the_profile_says(vision: FacePipeline, settings: Settings, root: Path) -> None:
    images = root.parent / "shared" / "lfw-dev"
    if not images.is_dir():
        pytest.skip("the faces of lfw-dev are not here")
    whole = read_folder(images)
    some = {name: whole.pictures[name][:8] for name in list(whole.pictures)[::4]}
    folder = Folder(whole.root, some, ())
    samples = encode_all([Shot(path) for path in folder.paths], Recipe(vision.profile, settings), Work())
    people = group_people(folder, samples)
    assert sum(people.problems.failures.values()) <= 5
    comparisons = compare_all(people.persons)
    assert match_rules(settings).target_false_accepts == 1e-4
    for entry in ThresholdTable(vision.profile.tau).entries:
        if entry.fmr >= 1e-4:
            found = at_tau(comparisons, entry.tau, entry.kind, (entry.fmr, entry.fnmr))
            assert found.fmr_interval.low <= entry.fmr <= found.fmr_interval.high
            assert found.fnmr_interval.low <= entry.fnmr <= found.fnmr_interval.high
