"""The ports: what the inside of doorguard asks of the outside. Each has a fake and a contract suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from doorguard.core.gallery import Space
from doorguard.core.model import (
    Box,
    Comparison,
    Detection,
    Encoding,
    Event,
    Frame,
    Grant,
    Image,
    ModelId,
    Observation,
    Resident,
    ResidentId,
    StoredEvent,
    Template,
)


class Clock(Protocol):
    """Time as an argument."""

    def monotonic(self) -> float:
        """Seconds that never step back; for durations."""
        ...

    def utc(self) -> datetime:
        """The aware UTC wall time; for what is stored."""
        ...

    def synced(self) -> bool:
        """Whether the kernel says that the wall clock is synchronised."""
        ...

    def wait(self, seconds: float) -> None:
        """Let `seconds` of monotonic time pass."""
        ...


class FrameSource(Protocol):
    """A camera. Not thread-safe: one thread opens, reads and closes."""

    def open(self) -> None:
        """Start delivering; raises `CameraError`. Opening an open source is an error."""
        ...

    def read(self) -> Frame | None:
        """Return the next frame, waiting for it at most about a second.

        None means that the source has come to its end (a file, a folder). Raises `CameraError` when the
        camera fails; it is then closed and may be opened again unless the error is fatal.
        """
        ...

    def to_rgb(self, native: Image) -> Image:
        """Convert an array in the order the device delivers to RGB, rotation and mirror included.

        Every frame `read` returns went through here, and so does the golden frame of the self-test.
        """
        ...

    def meter(self, face: Box | None, image: Image) -> None:
        """Expose and focus for this face in this frame (None: for the scene). A camera may ignore it."""
        ...

    def close(self) -> None:
        """Stop; closing a closed source does nothing."""
        ...


class Strike(Protocol):
    """The lock. Thread-safe."""

    def release(self, grant: Grant, duration_s: float) -> None:
        """Energise for `duration_s`, clamped to the hard cap; raises `StrikeError`.

        A grant older than two seconds is refused. A release during a pulse may lengthen it to at most the
        cap counted from that pulse's own start.
        """
        ...

    def relock(self) -> None:
        """End a pulse now; never raises."""
        ...

    @property
    def released(self) -> bool:
        """Whether the line is at its active level."""
        ...

    @property
    def fault(self) -> str | None:
        """Why the line does not switch off, None while it obeys."""
        ...

    def close(self) -> None:
        """Inactive first, then give the line back; never raises."""
        ...


class StrikeLine(Protocol):
    """One output line, inactive from the moment it is claimed."""

    def set_active(self, active: bool) -> None:
        """Drive the line; raises `StrikeError`."""
        ...

    @property
    def active(self) -> bool:
        """The level last driven."""
        ...

    def close(self) -> None:
        """Inactive, then release the line."""
        ...


class Vision(Protocol):
    """From a frame to faces and from a face to an encoding. Not thread-safe."""

    @property
    def model_id(self) -> ModelId:
        """Names the encoder and so its templates."""
        ...

    @property
    def space(self) -> Space:
        """Where its encodings lie: the model's name and how many numbers they have."""
        ...

    def detect(self, image: Image) -> Sequence[Detection]:
        """Find every face, largest first."""
        ...

    def observe(self, image: Image, detection: Detection) -> Observation:
        """Mesh, align, measure and, when the quality gate passes, encode one face. Never raises on pixels."""
        ...

    def explain(self, observation: Observation) -> Sequence[str]:
        """Say in plain words, fault by fault, why a face on a photograph was not encoded."""
        ...


class TemplateStore(Protocol):
    """Residents and their templates. Thread-safe; every change is durable when the call returns."""

    def residents(self) -> Sequence[Resident]:
        """All residents by name."""
        ...

    def find(self, name_or_id: str) -> Resident:
        """Return one resident by name (any case) or id; raises `UnknownResidentError`."""
        ...

    def templates(self, *, enabled_only: bool = True) -> Sequence[Template]:
        """Decrypted templates; one that cannot be decrypted is left out and reported by `unusable`."""
        ...

    def add_resident(
        self, name: str, consent: str | None, templates: Sequence[tuple[ModelId, Encoding]]
    ) -> Resident:
        """Store a new resident with at least one template; raises `NameTakenError`."""
        ...

    def add_templates(
        self, resident_id: ResidentId, templates: Sequence[tuple[ModelId, Encoding]]
    ) -> Resident:
        """Add templates to a resident."""
        ...

    def rename(self, resident_id: ResidentId, name: str) -> Resident:
        """Change the name; raises `NameTakenError`."""
        ...

    def set_enabled(self, resident_id: ResidentId, enabled: bool) -> Resident:
        """Enable or disable."""
        ...

    def remove(self, resident_id: ResidentId) -> None:
        """Erase resident, templates and name from the file, its WAL and kept backups."""
        ...

    def keep_crops(self, resident_id: ResidentId, model_id: ModelId, crops: Sequence[bytes]) -> Resident:
        """Keep the packed pictures behind templates, sealed like them."""
        ...

    def crops(self, resident_id: ResidentId) -> Sequence[tuple[ModelId, bytes]]:
        """Kept pictures of a resident, oldest first; one that cannot be decrypted is left out."""
        ...

    def model_in_use(self) -> ModelId | None:
        """Return the model whose templates are compared; None before there ever was a template.

        The first template stored names its model; `use_model` names another.
        """
        ...

    def use_model(self, model_id: ModelId, templates: Sequence[tuple[ResidentId, Encoding]] = ()) -> None:
        """Add these templates of a model and compare by it from now on: both or nothing."""
        ...


class EventLog(Protocol):
    """The audit log. Thread-safe; `append` is durable when it returns."""

    def append(self, event: Event) -> StoredEvent:
        """Store and chain one event; raises `StoreError` (a full disk included)."""
        ...

    def events(
        self, *, after: int = 0, limit: int | None = None, newest_first: bool = False
    ) -> Iterator[StoredEvent]:
        """Stored events with an id above `after`."""
        ...


class Watchdog(Protocol):
    """The service manager."""

    def ready(self, status: str) -> None:
        """Tell it that start-up is done."""
        ...

    def alive(self) -> None:
        """Feed the watchdog."""
        ...

    def status(self, text: str) -> None:
        """Set the one-line status."""
        ...

    def stopping(self) -> None:
        """Tell it that an orderly stop began."""
        ...


class KeySource(Protocol):
    """Where the store's master key comes from."""

    def keys(self) -> Mapping[str, bytes]:
        """Every master key at hand (32 bytes) by where it was found, the preferred one first.

        Raises `StoreKeyError` for a key that is there but malformed or open to other users.
        """
        ...

    def make(self) -> tuple[str, bytes]:
        """Make and keep a new key where there is none; return where, and the key. Raises `StoreKeyError`."""
        ...


Compare = Callable[[Encoding], Comparison]
"""A probe against the gallery in force."""
