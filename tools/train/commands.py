"""What `tools/train_model.py` does for each of its commands."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from train.align import align_folder
from train.faces import Faces, read_faces
from train.judge import encode, judge
from train.loop import Figures, Plan, Trainer
from train.network import FaceNet, load_weights
from train.objectives import AdditiveMargin, Distillation, DistillationRules, Objective, Triplets
from train.teacher import Teacher, references

SCORE = "fnmr@1e-04"
_FALLBACKS = (SCORE, "fnmr@1e-03", "fnmr@1e-02")


def align(arguments: argparse.Namespace) -> None:
    """Make a file of faces from a folder per person."""
    print(json.dumps(align_folder(arguments.root, arguments.out)))


def refer(arguments: argparse.Namespace) -> None:
    """Add references to a file of faces, written as another file."""
    faces = read_faces([arguments.faces])
    found = references([parse_teacher(each) for each in arguments.teacher], faces.pictures)
    with np.load(arguments.faces) as stored:
        known = {name: stored[name] for name in stored.files}
    np.savez(arguments.out, **(known | {"reference": found.astype(np.float16)}))


def parse_teacher(text: str) -> Teacher:
    """Read `FILE[,size=160][,order=BGR][,mean=0][,scale=255]`; raises `ValueError`."""
    path, *parts = text.split(",")
    kinds = {"size": int, "order": str, "mean": float, "scale": float}
    given = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name not in kinds:
            raise ValueError(f"a teacher has no {name!r}; it has {', '.join(kinds)}")
        given[name] = kinds[name](value)
    if given.get("order", "RGB") not in ("RGB", "BGR"):
        raise ValueError("a teacher's order is RGB or BGR")
    return replace(Teacher(Path(path)), **given)


def teach(arguments: argparse.Namespace) -> None:
    """Run or resume a training; prints the last figures."""
    valid = read_faces(arguments.valid)
    faces = read_faces(arguments.faces)
    network = FaceNet()
    if arguments.start:
        load_weights(network, arguments.start)
    size = network.shape.input_size

    def figures(student: nn.Module) -> Figures:
        return judge(encode(student, valid.pictures, size), valid)

    plan = Plan(
        minutes=arguments.minutes,
        rate=arguments.rate,
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
        fused=arguments.fused,
        every_s=60 * arguments.every,
    )
    trainer = Trainer(network, _objective(arguments, faces), faces, plan, arguments.out)
    print(json.dumps(trainer.run(figures, score(figures(network))), indent=1))


def score(figures: Figures) -> str:
    """Return the name of the figure that chooses: FNMR at the lowest FMR the validation pairs can carry."""
    for name in _FALLBACKS:
        if name in figures:
            return name
    raise ValueError("the validation faces hold too few pairs to choose by; give more of them")


def _objective(arguments: argparse.Namespace, faces: Faces) -> Objective:
    if arguments.command == "distill":
        rules = DistillationRules(arguments.batch, arguments.neighbourhood, arguments.temperature)
        return Distillation(faces, rules)
    if arguments.command == "triplet":
        people = arguments.batch // arguments.pictures
        return Triplets(faces, people=people, pictures=arguments.pictures, alpha=arguments.alpha)
    return AdditiveMargin(faces, batch=arguments.batch, scale=arguments.scale, margin=arguments.margin)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    whole = argparse.ArgumentParser(prog="tools/train_model.py", description="Train face encoders.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("align", help="a folder per person → a file of aligned faces")
    one.add_argument("root", type=Path)
    one.add_argument("out", type=Path)
    one.set_defaults(run=align)
    one = commands.add_parser("refer", help="add the reference encodings of existing encoders to a file")
    one.add_argument("faces", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument(
        "--teacher", action="append", required=True, metavar="FILE[,size=…,order=…,mean=…,scale=…]"
    )
    one.set_defaults(run=refer)
    one = _training(commands, "distill", "follow stored reference encodings")
    rules = DistillationRules()
    one.add_argument("--neighbourhood", type=float, default=rules.neighbourhood, help="weight of lookalikes")
    one.add_argument(
        "--temperature", type=float, default=rules.temperature, help="the lower, the closer ones"
    )
    one = _training(commands, "triplet", "FaceNet's loss, semi-hard triplets; faces with persons")
    one.add_argument("--pictures", type=int, default=4, help="of each person in a batch (%(default)s)")
    one.add_argument("--alpha", type=float, default=0.2, help="margin of D (%(default)s)")
    one = _training(commands, "margin", "additive-margin softmax; faces with persons")
    one.add_argument("--scale", type=float, default=30.0)
    one.add_argument("--margin", type=float, default=0.35)
    return whole


def _training(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    one.add_argument("--faces", type=Path, nargs="+", required=True, help="files to train on")
    one.add_argument("--valid", type=Path, nargs="+", required=True, help="files to choose by; never others")
    one.add_argument("--out", type=Path, required=True, help="run folder; one that has a state is resumed")
    one.add_argument("--start", type=Path, help="checkpoint to begin from")
    one.add_argument("--minutes", type=float, default=75.0, help="of training, over all resumptions")
    one.add_argument("--batch", type=int, default=64, help="pictures of a step")
    one.add_argument("--rate", type=float, default=3e-4, help="peak learning rate")
    one.add_argument("--every", type=float, default=5.0, help="minutes between validations")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--threads", type=int, default=0, help="of the CPU; 0 is PyTorch's choice")
    one.add_argument("--device", default="", help="cpu, cuda; the GPU when there is one")
    one.add_argument("--fused", action="store_true", help="compile the network first")
    one.set_defaults(run=teach)
    return one


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    given = parser().parse_args(arguments)
    try:
        given.run(given)
    except (ValueError, OSError) as error:
        print(f"✗ {error}")
        return 1
    return 0
