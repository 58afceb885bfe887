"""Record what the shipped encoder answers to the golden frame. Run it after changing a model, never to make
a failing self-test pass."""

from __future__ import annotations

import json

from doorguard.config import Settings
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import MODELS
from doorguard.vision.selftest import golden_frame, see_golden


def main() -> None:
    vision = FacePipeline.open(Settings())
    points, encoding = see_golden(vision, golden_frame())
    answer = {
        "points": [[round(float(value), 2) for value in point] for point in points],
        "encoding": [round(float(value), 6) for value in encoding],
    }
    path = MODELS / "golden.json"
    path.write_text(json.dumps({vision.model_id: answer}) + "\n", encoding="utf-8")
    print(f"wrote {path} for {vision.model_id} on {vision.runtime_name}")


if __name__ == "__main__":
    main()
