"""The loop: batches, steps, averaged weights, validation, curves, checkpoints that a killed run resumes from.

A run folder holds `state.pt` (everything a resumed run needs), `curve.jsonl` (one line per validation),
`latest.npz` and `best.npz` (averaged weights as float16, `best` by the validation score alone).
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from train.augment import Augmentation, augment
from train.faces import Faces
from train.network import write_checkpoint
from train.objectives import Objective

Figures = dict[str, float]
_RATE_FLOOR = 0.003
_BETAS = (0.9, 0.98)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast.

    Parameters
    ----------
    minutes, steps : the run ends when either is spent; the rate falls along the cosine of the larger share.
    rate : peak of AdamW's learning rate, after `warm_up` steps.
    weight_decay : of weights with two dimensions or more.
    average : decay of the moving average of weights, which is what is judged and kept.
    clip : largest norm of a step's gradient.
    every_s, every_steps : a validation and a checkpoint when either has passed, and one at the end.
    device : `cpu`, `cuda`, or empty for the GPU when there is one.
    threads : of the CPU, 0 for PyTorch's own choice.
    fused : compile the network first (`torch.compile`): minutes of waiting, then half as fast again.

    """

    minutes: float = math.inf
    steps: float = math.inf
    rate: float = 3e-4
    warm_up: int = 60
    weight_decay: float = 0.02
    average: float = 0.996
    clip: float = 3.0
    every_s: float = 180.0
    every_steps: float = math.inf
    seed: int = 0
    device: str = ""
    threads: int = 0
    fused: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)


def cosine_rate(plan: Plan, step: int, progress: float) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine down to 0.3 % of the peak."""
    warm = min(1.0, (step + 1) / max(plan.warm_up, 1))
    fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return plan.rate * warm * (_RATE_FLOOR + (1 - _RATE_FLOOR) * fall)


class Trainer:
    """One run. The same call starts it and, where its folder holds a state, goes on with it."""

    def __init__(self, network: nn.Module, objective: Objective, faces: Faces, plan: Plan, out: Path) -> None:
        """Bring everything to the device, the pictures too (43 kB each); resume if there is a state."""
        if not (math.isfinite(plan.minutes) or math.isfinite(plan.steps)):
            raise ValueError("a plan needs an end: minutes, steps, or both")
        if plan.threads:
            torch.set_num_threads(plan.threads)
        self.plan, self.out = plan, out
        self.device = torch.device(plan.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = network.to(self.device).train()
        _channels_last(self.network)
        self.average = copy.deepcopy(self.network).eval()
        self.objective = objective.to(self.device)
        self._pictures = torch.from_numpy(faces.pictures).to(self.device)
        self._size = int(getattr(network, "shape").input_size)  # noqa: B009  nn.Module's attributes are untyped
        self._forward: Callable[[Tensor], Tensor] = torch.compile(network) if plan.fused else self.network
        self._half = _half_precision(self.device)
        # Only float16 needs its gradients scaled out of the region where they vanish.
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._half is torch.float16)
        self._optimiser = _optimiser(self.network, self.objective, plan)
        self.step, self._spent_s, self.best = 0, 0.0, math.inf
        out.mkdir(parents=True, exist_ok=True)
        if self._state_file.exists():
            self._resume()

    @property
    def _state_file(self) -> Path:
        return self.out / "state.pt"

    def run(self, judge: Callable[[nn.Module], Figures], score: str) -> Figures:
        """Train to the end of the plan; returns the last figures.

        Parameters
        ----------
        judge : figures of a network on validation pictures, never on pictures a promise is measured on.
        score : which of them chooses `best.npz`; lower is better.

        """
        random = np.random.default_rng((self.plan.seed, self.step))
        views = torch.Generator(self.device).manual_seed(int(random.integers(2**62)))
        began, before_s = time.monotonic(), self._spent_s
        noted_s, noted_step = began, self.step
        sums: dict[str, list[Tensor]] = defaultdict(list)
        for rows in self.objective.batches(random):
            self._spent_s = before_s + time.monotonic() - began
            if self.progress >= 1:
                break
            for name, value in self._teach(torch.from_numpy(rows).to(self.device), views).items():
                sums[name].append(value.detach())
            is_due = time.monotonic() - noted_s > self.plan.every_s
            if is_due or self.step - noted_step >= self.plan.every_steps:
                self._note(judge, score, sums)
                noted_s, noted_step = time.monotonic(), self.step
        return self._note(judge, score, sums)

    @property
    def progress(self) -> float:
        """Share of the plan that is spent."""
        return max(self._spent_s / (60 * self.plan.minutes), self.step / self.plan.steps)

    def _teach(self, rows: Tensor, views: torch.Generator) -> dict[str, Tensor]:
        """Take one step on one batch."""
        for group in self._optimiser.param_groups:
            group["lr"] = cosine_rate(self.plan, self.step, self.progress)
        batch = augment(self._pictures[rows], self._size, self.plan.augmentation, views)
        with torch.autocast(self.device.type, self._half):
            encodings = self._forward(batch)
        loss, figures = self.objective(encodings.float(), rows)
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self.step += 1
        self._follow()
        return {"loss": loss, **figures}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights; young runs average over less, or they would keep the start for long."""
        share = 1 - min(self.plan.average, (1 + self.step) / (10 + self.step))
        current = self.network.state_dict()
        for name, held in self.average.state_dict().items():
            if held.is_floating_point():
                held.lerp_(current[name], share)
            else:
                held.copy_(current[name])

    def _note(
        self, judge: Callable[[nn.Module], Figures], score: str, sums: dict[str, list[Tensor]]
    ) -> Figures:
        """Judge, add a line to the curve, and keep a checkpoint."""
        figures: Figures = {"step": float(self.step), "minutes": round(self._spent_s / 60, 2)}
        figures |= {f"train_{name}": float(torch.stack(each).mean()) for name, each in sums.items()}
        sums.clear()
        figures |= {f"valid_{name}": value for name, value in judge(self.average).items()}
        with (self.out / "curve.jsonl").open("a", encoding="utf-8") as curve:
            curve.write(json.dumps(figures) + "\n")
        write_checkpoint(self.out / "latest.npz", self.average.state_dict())
        if figures[f"valid_{score}"] < self.best:
            self.best = figures[f"valid_{score}"]
            write_checkpoint(self.out / "best.npz", self.average.state_dict())
        self._keep()
        return figures

    def _parts(self) -> Mapping[str, Any]:
        return {
            "network": self.network,
            "average": self.average,
            "objective": self.objective,
            "optimiser": self._optimiser,
            "scaler": self._scaler,
        }

    def _keep(self) -> None:
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"step": self.step, "spent_s": self._spent_s, "best": self.best}
        part = self._state_file.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._state_file)

    def _resume(self) -> None:
        state = torch.load(self._state_file, map_location=self.device, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self._spent_s, self.best = state["step"], state["spent_s"], state["best"]


def _channels_last(network: nn.Module) -> None:
    """Lay convolutions out in memory as both kinds of device compute them fastest."""
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def _half_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device computes in it (every CPU does, slowly on old ones), else float16."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


def _optimiser(network: nn.Module, objective: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Return AdamW over the network and what the objective itself learns; norms and biases do not decay."""
    weights = [*network.parameters(), *objective.parameters()]
    groups = [
        {"params": [each for each in weights if each.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [each for each in weights if each.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.rate, betas=_BETAS)
