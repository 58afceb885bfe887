"""What every `ports.FrameSource` promises. A source's test class inherits this and says how to make one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.core.model import Box, Frame
from doorguard.errors import CameraError
from doorguard.ports import FrameSource

Make = Callable[[], FrameSource]


class FrameSourceContract:
    """Fixtures a subclass gives: `make`, which makes a closed source that has at least six frames."""

    def take(self, source: FrameSource, count: int) -> list[Frame]:
        frames = [source.read() for _ in range(count)]
        assert None not in frames
        return [frame for frame in frames if frame is not None]

    def test_frames_are_rgb_uint8_of_one_size(self, make: Make) -> None:
        source = make()
        source.open()
        frames = self.take(source, 6)
        assert len({frame.image.shape for frame in frames}) == 1
        for frame in frames:
            assert frame.image.dtype == np.uint8
            assert frame.image.ndim == 3
            assert frame.image.shape[2] == 3
        source.close()

    def test_sequence_counts_up_by_one(self, make: Make) -> None:
        source = make()
        source.open()
        numbers = [frame.sequence for frame in self.take(source, 6)]
        assert numbers == list(range(numbers[0], numbers[0] + 6))
        source.close()

    def test_time_never_steps_back_nor_lies_ahead(self, make: Make, clock: ManualClock) -> None:
        source = make()
        source.open()
        times = []
        for _ in range(6):
            times.append(self.take(source, 1)[0].captured_s)
            assert times[-1] <= clock.monotonic() + 1e-6
            assert times[-1] >= clock.monotonic() - 1.0
        assert times == sorted(times)
        source.close()

    def test_frames_are_the_readers_to_keep(self, make: Make) -> None:
        """A later read must not draw over an earlier frame: the buffer is not shared."""
        source = make()
        source.open()
        first = self.take(source, 1)[0]
        kept = first.image.copy()
        self.take(source, 5)
        assert np.array_equal(first.image, kept)
        source.close()

    def test_opening_twice_is_an_error(self, make: Make) -> None:
        source = make()
        source.open()
        with pytest.raises(CameraError):
            source.open()
        source.close()

    def test_reading_a_closed_source_is_an_error(self, make: Make) -> None:
        source = make()
        with pytest.raises(CameraError):
            source.read()
        source.open()
        source.close()
        with pytest.raises(CameraError):
            source.read()

    def test_closing_twice_or_unopened_does_nothing(self, make: Make) -> None:
        source = make()
        source.close()
        source.open()
        source.close()
        source.close()

    def test_opening_again_delivers_again(self, make: Make) -> None:
        source = make()
        source.open()
        before = self.take(source, 2)[-1].sequence
        source.close()
        source.open()
        assert self.take(source, 1)[0].sequence > before
        source.close()

    def test_metering_anything_is_safe(self, make: Make) -> None:
        source = make()
        source.open()
        image = self.take(source, 1)[0].image
        for face in (Box(10, 10, 60, 60), None, Box(-50, -50, 20, 20), Box(0, 0, 1e6, 1e6), Box(5, 5, -3, 0)):
            source.meter(face, image)
            self.take(source, 1)
        source.close()

    def test_to_rgb_works_before_open_and_leaves_its_input(self, make: Make) -> None:
        """The golden self-test runs before the camera does."""
        native = np.arange(480 * 640 * 3, dtype=np.uint8).reshape(480, 640, 3)
        before = native.copy()
        image = make().to_rgb(native)
        assert image.dtype == np.uint8
        assert sorted(image.shape) == sorted(native.shape)
        assert np.array_equal(native, before)
