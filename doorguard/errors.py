"""Every error doorguard raises on purpose, and the exit code each one ends a command with.

::

    DoorguardError (1)
    ├── UsageError (2)                 what was typed cannot be done
    │   ├── NotAllowedError            the installation belongs to somebody else: run with sudo
    │   └── UnknownResidentError       no resident of that name
    ├── ConfigError (3)                the settings; lists every problem at once
    ├── ModelError (4)                 a model file, its profile, the interpreter, the self-test
    │   └── ModelMismatchError         digest or model id is not the one expected
    ├── StoreError (5)                 the database, its key, a backup
    │   ├── StoreTooNewError           written by a newer release
    │   ├── StoreCorruptError          not readable, or the audit chain is broken
    │   ├── StoreKeyError              the key does not open the store
    │   └── StoreBusyError             another process is writing
    ├── CameraError (6)                `fatal` says whether trying again can help
    ├── StrikeError (7)                `fatal` says whether trying again can help
    ├── ControlError (8)               no daemon answers, or it refused the request
    ├── EnrollmentError
    │   ├── NoFaceError (10)
    │   ├── SeveralFacesError (11)
    │   ├── PoorQualityError (12)
    │   ├── NameTakenError (13)
    │   └── LookalikeError (14)
    └── UnreadableImageError (15)

A denial is not an error: it is a value with a reason (`core.policy.Decision`). A command that ends in
a denial or in "not the same person" exits with `DENIED` (20).

A message is one line: what was refused, the value, and what to do.
"""

from __future__ import annotations

from typing import ClassVar

OK = 0
DENIED = 20


class DoorguardError(Exception):
    """Base of every error doorguard raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(DoorguardError):
    """What was typed cannot be done as typed."""

    exit_code = 2


class NotAllowedError(UsageError):
    """The installation belongs to somebody else; the message says how to get the right."""


class UnknownResidentError(UsageError):
    """No resident of that name or id is enrolled."""


class ConfigError(DoorguardError):
    """The settings cannot be used; `problems` lists all of them, each with its key path."""

    exit_code = 3

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class ModelError(DoorguardError):
    """A model file, its profile, the interpreter or the golden self-test failed."""

    exit_code = 4


class ModelMismatchError(ModelError):
    """A file or template belongs to another model than the one in force."""


class StoreError(DoorguardError):
    """The store cannot be read or written."""

    exit_code = 5


class StoreTooNewError(StoreError):
    """The store was written by a newer release."""


class StoreCorruptError(StoreError):
    """The store is damaged or its audit chain is broken."""


class StoreKeyError(StoreError):
    """The key at hand does not open this store."""


class StoreBusyError(StoreError):
    """Another process is the store's writer."""


class CameraError(DoorguardError):
    """The camera gave no frame; `fatal` means that trying again cannot help."""

    exit_code = 6

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal


class StrikeError(DoorguardError):
    """The strike's line could not be claimed or driven; `fatal` means that trying again cannot help."""

    exit_code = 7

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal


class ControlError(DoorguardError):
    """No daemon answers at the socket, or it refused the request."""

    exit_code = 8


class EnrollmentError(DoorguardError):
    """A photo or a name was refused at enrolment."""


class NoFaceError(EnrollmentError):
    """No face was found."""

    exit_code = 10


class SeveralFacesError(EnrollmentError):
    """More than one face was found and none was chosen."""

    exit_code = 11


class PoorQualityError(EnrollmentError):
    """The face is too small, blurred, dark, bright or turned."""

    exit_code = 12


class NameTakenError(EnrollmentError):
    """A resident of that name exists."""

    exit_code = 13


class LookalikeError(EnrollmentError):
    """The face is too close to another resident's."""

    exit_code = 14


class UnreadableImageError(DoorguardError):
    """The file is no picture doorguard reads, is cut short, or is too large."""

    exit_code = 15
