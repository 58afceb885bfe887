"""The loop: it separates people it never saw, resumes where it was killed, and chooses by validation."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from standins.synthetic_people import synthetic_people

torch = pytest.importorskip("torch", reason="the extra [train] is not installed")

from train.augment import Augmentation  # noqa: E402
from train.commands import main, score  # noqa: E402
from train.faces import Faces, write_faces  # noqa: E402
from train.judge import encode, error_rates, judge  # noqa: E402
from train.loop import Plan, Trainer, cosine_rate  # noqa: E402
from train.network import FaceNet, Shape, read_checkpoint, write_checkpoint  # noqa: E402
from train.objectives import (  # noqa: E402
    AdditiveMargin,
    Distillation,
    DistillationRules,
    Objective,
    Triplets,
    shuffled,
)

SMALL = Shape(
    input_size=32,
    stem=((16, 2), (32, 2)),
    stages=((8, 1), (16, 1), (16, 1)),
    reductions=((16, 16), (32, 32)),
    head=96,
)
MILD = Augmentation(
    2.0, 0.02, 1.0, mirror=0, light=0.2, cover=0, blur=0, low_resolution=0, noise=0, compression=0
)
"""A pattern and its mirror image are two people here, and there are few steps to learn anything else."""


@pytest.fixture(autouse=True)
def _one_thread_and_one_seed() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def faces(people: int, pictures: int, seed: int) -> Faces:
    views, whose = synthetic_people(people, pictures, seed)
    return Faces(views, np.zeros(len(views), bool), people=whose)


def plan(steps: int, **more: float) -> Plan:
    return Plan(steps=steps, rate=5e-3, warm_up=10, average=0.95, device="cpu", augmentation=MILD, **more)


@pytest.mark.slow
def test_triplet_trainer_separates_people_it_never_saw(tmp_path: Path) -> None:
    taught, strangers = faces(300, 4, seed=1), faces(40, 4, seed=2)
    network = FaceNet(SMALL)

    def figures(student: torch.nn.Module) -> dict[str, float]:
        return judge(encode(student, strangers.pictures, 32), strangers)

    before = figures(network)["fnmr@1e-02"]
    objective = Triplets(taught, people=16, pictures=4, alpha=1.0)
    after = Trainer(network, objective, taught, plan(200), tmp_path).run(figures, "fnmr@1e-02")
    assert before > 0.6
    assert after["valid_fnmr@1e-02"] < 0.15


def little(tmp_path: Path, objective: Objective, known: Faces, steps: int, **more: float) -> Trainer:
    return Trainer(FaceNet(SMALL), objective, known, plan(steps, **more), tmp_path / "run")


def nothing(_: torch.nn.Module) -> dict[str, float]:
    return {"score": 1.0}


def lines(tmp_path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]


def test_additive_margin_learns_its_people_and_its_own_directions(tmp_path: Path) -> None:
    known = faces(6, 6, seed=3)
    objective = AdditiveMargin(known, batch=18)
    start = objective.directions.detach().clone()
    little(tmp_path, objective, known, 30, every_steps=10).run(nothing, "score")
    curve = lines(tmp_path)
    assert curve[2]["train_loss"] < 0.7 * curve[0]["train_loss"]
    assert not torch.equal(start, objective.directions)


def with_references(count: int) -> Faces:
    known = faces(count, 1, seed=4)
    references = np.random.default_rng(5).normal(size=(count, 128)).astype(np.float32)
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    return Faces(known.pictures, np.arange(count) % 2 == 0, references=references)


def test_distillation_moves_towards_the_references(tmp_path: Path) -> None:
    known = with_references(24)
    # Random references resemble nobody: what lookalikes they have is noise, so it weighs little here.
    objective = Distillation(known, DistillationRules(batch=12, neighbourhood=0.15))
    little(tmp_path, objective, known, 40, every_steps=10).run(nothing, "score")
    curve = lines(tmp_path)
    assert curve[0]["train_cosine"] < 0.4
    assert curve[3]["train_cosine"] > curve[0]["train_cosine"] + 0.2


def test_run_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    known = with_references(16)

    def trainer(steps: int) -> Trainer:
        return little(tmp_path, Distillation(known, DistillationRules(batch=8)), known, steps)

    trainer(3).run(nothing, "score")
    second = trainer(5)
    assert second.step == 3
    held = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert held["optimiser"]["state"][0]["step"] == 3
    for name, tensor in second.network.state_dict().items():
        assert torch.equal(tensor, held["network"][name]), name
    second.run(nothing, "score")
    assert [line["step"] for line in lines(tmp_path)] == [3.0, 5.0]
    assert trainer(5).run(nothing, "score")["step"] == 5.0


def test_best_is_what_validation_liked_not_what_came_last(tmp_path: Path) -> None:
    known = with_references(16)
    scores = iter((0.5, 0.2, 0.9))
    kept = []

    def figures(student: torch.nn.Module) -> dict[str, float]:
        kept.append({name: tensor.clone() for name, tensor in student.state_dict().items()})
        return {"score": next(scores)}

    little(tmp_path, Distillation(known, DistillationRules(batch=8)), known, 5, every_steps=2).run(
        figures, "score"
    )
    write_checkpoint(tmp_path / "second.npz", kept[1])
    best, second = (
        read_checkpoint(path) for path in (tmp_path / "run" / "best.npz", tmp_path / "second.npz")
    )
    assert all(torch.equal(best[name], second[name]) for name in second)
    last = read_checkpoint(tmp_path / "run" / "latest.npz")
    assert not torch.equal(best["fc.weight"], last["fc.weight"])


def test_averaged_weights_follow_the_trained_ones_slowly(tmp_path: Path) -> None:
    known = with_references(16)
    trainer = little(tmp_path, Distillation(known, DistillationRules(batch=8)), known, 6)
    before = trainer.network.state_dict()["fc.weight"].clone()
    trainer.run(nothing, "score")
    moved = (trainer.network.state_dict()["fc.weight"] - before).norm()
    assert 0 < (trainer.average.state_dict()["fc.weight"] - before).norm() < moved


def test_run_ends_by_the_clock_when_steps_have_no_end(tmp_path: Path) -> None:
    known = with_references(16)
    endless = Plan(minutes=0.01, device="cpu", augmentation=MILD)
    trainer = Trainer(
        FaceNet(SMALL), Distillation(known, DistillationRules(batch=8)), known, endless, tmp_path / "run"
    )
    assert 0.009 < trainer.run(nothing, "score")["minutes"] < 1


def test_plan_without_end_is_refused(tmp_path: Path) -> None:
    known = with_references(16)
    with pytest.raises(ValueError, match="needs an end"):
        Trainer(FaceNet(SMALL), Distillation(known, DistillationRules()), known, Plan(), tmp_path)


def test_rate_warms_up_then_falls_to_almost_nothing() -> None:
    rules = Plan(steps=100, rate=1.0, warm_up=10)
    assert cosine_rate(rules, 0, 0.0) == pytest.approx(0.1)
    assert cosine_rate(rules, 50, 0.5) == pytest.approx(0.5, abs=0.01)
    assert cosine_rate(rules, 100, 1.0) == pytest.approx(0.003)


# what makes a batch


def test_batches_hold_so_many_people_with_so_many_pictures() -> None:
    whose = np.array([0] * 5 + [1] * 2 + [2] + [3] * 4)
    known = Faces(np.zeros((12, 120, 120, 3), np.uint8), np.zeros(12, bool), people=whose)
    rows = next(Triplets(known, people=3, pictures=4).batches(np.random.default_rng(0)))
    found, counts = np.unique(whose[rows], return_counts=True)
    assert found.tolist() == [0, 1, 3]
    assert counts.tolist() == [4, 4, 4]


def test_too_few_people_for_triplets_are_refused() -> None:
    with pytest.raises(ValueError, match="3 people have two pictures or more"):
        Triplets(faces(3, 2, seed=1), people=4, pictures=2)


def test_shuffled_rows_come_once_each_and_a_set_too_small_is_refused() -> None:
    batches = shuffled(10, 5, np.random.default_rng(0))
    assert sorted(np.concatenate([next(batches), next(batches)]).tolist()) == list(range(10))
    with pytest.raises(ValueError, match="do not fill a batch"):
        next(shuffled(3, 5, np.random.default_rng(0)))


def test_faces_that_lack_what_an_objective_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="needs faces with references"):
        Distillation(faces(2, 2, seed=1), DistillationRules())
    with pytest.raises(ValueError, match="which person"):
        AdditiveMargin(with_references(8))


# judging


def test_error_rates_of_a_toy_case_are_those_counted_by_hand() -> None:
    impostor = np.linspace(1.0, 3.0, 1001, dtype=np.float32)
    tau = impostor[9]
    genuine = np.array([0.5, tau, tau + 1e-3, 2.0], np.float32)
    found = error_rates(genuine, impostor)
    assert found["fnmr@1e-02"] == 0.5
    assert "fnmr@1e-03" not in found


def test_judge_without_labels_asks_only_pairs_the_reference_is_sure_of() -> None:
    angles = np.array([0.0, 0.5, 1.1, 3.0], np.float32)
    references = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    known = Faces(np.zeros((4, 120, 120, 3), np.uint8), np.zeros(4, bool), references=references)
    found = judge(references, known)
    assert (found["genuine"], found["impostor"]) == (2.0, 3.0)
    assert found["cosine"] == pytest.approx(1.0)


def test_score_is_the_strictest_rate_the_pairs_can_carry() -> None:
    assert score({"fnmr@1e-02": 0.1, "fnmr@1e-03": 0.2}) == "fnmr@1e-03"
    with pytest.raises(ValueError, match="too few pairs"):
        score({"genuine": 3.0})


def test_command_trains_and_leaves_curve_and_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    views, whose = synthetic_people(16, 4, seed=6)
    write_faces(tmp_path / "people.npz", list(views), person=whose)
    data = ["--faces", str(tmp_path / "people.npz"), "--valid", str(tmp_path / "people.npz")]
    short = ["--out", str(tmp_path / "run"), "--minutes", "0.001", "--batch", "8", "--device", "cpu"]
    assert main(["triplet", *data, *short, "--pictures", "2"]) == 0
    assert math.isfinite(json.loads(capsys.readouterr().out)["valid_fnmr@1e-02"])
    assert {each.name for each in (tmp_path / "run").iterdir()} == {
        "state.pt",
        "curve.jsonl",
        "latest.npz",
        "best.npz",
    }
    assert main(["distill", *data, *short]) == 1
    assert "needs faces with references" in capsys.readouterr().out


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_run_on_a_gpu_keeps_the_pictures_there(tmp_path: Path) -> None:
    known = with_references(16)
    rules = Plan(steps=3, device="cuda", augmentation=Augmentation())
    trainer = Trainer(FaceNet(SMALL), Distillation(known, DistillationRules(batch=8)), known, rules, tmp_path)
    assert trainer.run(nothing, "score")["step"] == 3.0
