"""Make the tiny encoders of the tests: `python tests/data/make_encoders.py` (needs TensorFlow).

None of them knows a face. They stand for kinds of encoder that doorguard can be given: sides of 112 and 160
pixels, RGB and BGR, float, uint8 and int8, 128 and 512 numbers. Each is one 1×1 convolution, with the weights
of `WEIGHTS`, then means over squares; so NumPy says what must come out (`tests/vision/test_encoder.py`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent / "encoders"
SHIPPED = Path(__file__).parents[2] / "doorguard" / "models" / "facenet.profile.json"
WEIGHTS = np.array(
    [
        [1.0, -0.5, -0.5],
        [-0.5, 1.0, -0.5],
        [0.25, 0.25, -0.5],
        [0.3, 0.3, 0.3],
        [-0.3, -0.3, -0.3],
        [0.6, -0.6, 0.0],
        [0.0, 0.6, -0.6],
        [-0.6, 0.0, 0.6],
    ],
    np.float32,
)
FIXED = {"kind": "fixed", "mean": [127.5] * 3, "std": [127.5] * 3}
MOBILE = {"kind": "fixed", "mean": [127.5] * 3, "std": [128.0] * 3}
KINDS: dict[str, dict[str, Any]] = {
    "facenet160-float-512": {
        "side": 160,
        "filters": 8,
        "channels": "RGB",
        "dtype": "float32",
        "normalise": FIXED,
    },
    "facenet160-white-512": {
        "side": 160,
        "filters": 8,
        "channels": "RGB",
        "dtype": "float32",
        "normalise": {"kind": "per_image"},
    },
    "facenet160-int8-512": {
        "side": 160,
        "filters": 8,
        "channels": "RGB",
        "dtype": "int8",
        "normalise": FIXED,
    },
    "mobile112-float-128": {
        "side": 112,
        "filters": 2,
        "channels": "BGR",
        "dtype": "float32",
        "normalise": MOBILE,
    },
    "mobile112-uint8-128": {
        "side": 112,
        "filters": 2,
        "channels": "BGR",
        "dtype": "uint8",
        "normalise": MOBILE,
    },
}


def build(side: int, filters: int, dtype: str) -> bytes:
    """Return the model: 1×1 convolution, means over an 8×8 grid of squares, flattened."""
    import tensorflow as tf

    entry = tf.keras.Input((side, side, 3), batch_size=1)
    mixed = tf.keras.layers.Conv2D(filters, 1, use_bias=False)
    pooled = tf.keras.layers.AveragePooling2D(side // 8)(mixed(entry))
    model = tf.keras.Model(entry, tf.keras.layers.Flatten()(pooled))
    mixed.set_weights([WEIGHTS[:filters].T[None, None]])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if dtype != "float32":
        draw = np.random.default_rng(7)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [draw.uniform(-1, 1, (1, side, side, 3)).astype(np.float32)] for _ in range(8)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, dtype)
    content: bytes = converter.convert()
    return content


def profile(name: str, kind: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Return the profile; the template is the shipped one, scaled. Its tau table is made up."""
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    side, scale = kind["side"], kind["side"] / 112
    points = [
        [round(value * scale, 4) for value in point] for point in shipped["alignment"]["template_points"]
    ]
    counts = {"impostor_comparisons": 0, "genuine_comparisons": 0, "kind": "extrapolated"}
    return {
        "id": name,
        "file": f"{name}.tflite",
        "sha256": hashlib.sha256(content).hexdigest(),
        "input": {
            "height": side,
            "width": side,
            "channels": kind["channels"],
            "dtype": kind["dtype"],
            "normalise": kind["normalise"],
        },
        "output": {"dim": 64 * kind["filters"], "dtype": kind["dtype"], "l2_normalise": True},
        "alignment": {**shipped["alignment"], "template_points": points},
        "distance": "squared_l2",
        "tau": [
            {"fmr": 1e-2, "tau": 0.3, "fnmr": 0.1, **counts},
            {"fmr": 1e-7, "tau": 0.05, "fnmr": 0.5, **counts},
        ],
        "calibration": {"data": "none: made up for tests"},
    }


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for name, kind in KINDS.items():
        content = build(kind["side"], kind["filters"], kind["dtype"])
        (HERE / f"{name}.tflite").write_bytes(content)
        text = json.dumps(profile(name, kind, content), indent=1) + "\n"
        (HERE / f"{name}.profile.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(content)} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
