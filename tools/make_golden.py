"""Record what the shipped encoder answers to the golden frame. Run it after changing a model, never to make
a failing self-test pass."""

from __future__ import annotations

import json

from doorguard.config import Settings
from doorguard.core.model import Image
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import MODELS
from doorguard.vision.selftest import golden_frame, see_golden


def answer(vision: FacePipeline, frame: Image) -> dict[str, list[object]]:
    """Return what golden.json keeps of one model."""
    points, encoding = see_golden(vision, frame)
    return {
        "points": [[round(float(value), 2) for value in point] for point in points],
        "encoding": [round(float(value), 6) for value in encoding],
    }


def main() -> None:
    vision = FacePipeline.open(Settings())
    path = MODELS / "golden.json"
    path.write_text(json.dumps({vision.model_id: answer(vision, golden_frame())}) + "\n", encoding="utf-8")
    print(f"wrote {path} for {vision.model_id} on {vision.runtime_name}")


if __name__ == "__main__":
    main()
