"""The encoder: from an aligned crop to a unit vector."""

from __future__ import annotations

import numpy as np

from doorguard.core.model import Encoding, Image
from doorguard.errors import ModelError
from doorguard.vision.interpreter import Interpreter
from doorguard.vision.pixels import make_feed
from doorguard.vision.profile import ModelProfile

_NORM_MIN = 1e-6


class Encoder:
    """Encodes aligned faces (Schroff et al. 2015, arXiv 1503.03832). Not thread-safe."""

    def __init__(self, interpreter: Interpreter, profile: ModelProfile) -> None:
        """Check that the model is the one its profile describes; raises `ModelError`."""
        self._shape = (1, profile.input_size, profile.input_size, 3)
        found = (interpreter.input_shape, interpreter.input_dtype, interpreter.output_shapes)
        wanted = (self._shape, np.dtype(profile.pixels.dtype), ((1, profile.dim),))
        if found != wanted:
            raise ModelError(
                f"the encoder {profile.path} has other inputs or outputs than its profile says: "
                f"{_words(*found)}, not {_words(*wanted)}"
            )
        self._interpreter = interpreter
        self._feed = make_feed(profile.pixels, interpreter.input_quantisation)
        (self._output,) = interpreter.output_quantisations

    def encode(self, crop: Image) -> Encoding:
        """Return the encoding of one aligned face, read-only.

        Parameters
        ----------
        crop : RGB uint8, `(input_size, input_size, 3)`, raw pixel values.

        Raises
        ------
        ModelError : the crop has another shape or type, or the model answered with something that is no
            direction (not finite, zero).

        """
        if crop.shape != self._shape[1:] or crop.dtype != np.uint8:
            raise ModelError(f"the encoder wants {self._shape[1:]} uint8, not {crop.shape} {crop.dtype}")
        (raw,) = self._interpreter.run(self._feed(crop)[None])
        # The length is divided out below, so of an integer tensor's meaning only the zero point counts.
        vector = raw[0].astype(np.float64) - self._output.zero_point
        norm = float(np.sqrt(vector @ vector))
        if not _NORM_MIN < norm < np.inf:
            raise ModelError("the encoder's answer has no direction; it cannot be compared")
        encoding: Encoding = (vector / norm).astype(np.float32)
        encoding.setflags(write=False)
        return encoding


def _words(shape: tuple[int, ...], dtype: np.dtype[np.generic], outputs: tuple[tuple[int, ...], ...]) -> str:
    answers = " and ".join("×".join(map(str, output)) for output in outputs)
    return f"{'×'.join(map(str, shape))} {dtype} in and {answers} out"
