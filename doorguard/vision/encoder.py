"""FaceNet: from an aligned crop to a unit vector of 128 numbers."""

from __future__ import annotations

import numpy as np

from doorguard.core.model import ENCODING_DIM, Encoding, Image
from doorguard.errors import ModelError
from doorguard.vision.interpreter import Interpreter

_NORM_MIN = 1e-6


class Encoder:
    """Encodes aligned faces (Schroff et al. 2015, arXiv 1503.03832). Not thread-safe."""

    def __init__(self, interpreter: Interpreter, input_size: int) -> None:
        """Check that the model is the one its profile describes."""
        self._shape = (1, input_size, input_size, 3)
        is_wanted = (
            interpreter.input_shape == self._shape
            and interpreter.input_dtype == np.uint8
            and interpreter.output_shapes == ((1, ENCODING_DIM),)
        )
        if not is_wanted:
            raise ModelError("the encoder has other inputs or outputs than its profile says")
        self._interpreter = interpreter

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
        (raw,) = self._interpreter.run(crop[None])
        vector = raw[0].astype(np.float64)
        norm = float(np.sqrt(vector @ vector))
        if not _NORM_MIN < norm < np.inf:
            raise ModelError("the encoder's answer has no direction; it cannot be compared")
        encoding: Encoding = (vector / norm).astype(np.float32)
        encoding.setflags(write=False)
        return encoding
