"""The strike's one owner in the daemon: proof before power, one pulse at a time, and always off again."""

from __future__ import annotations

import logging
import threading

from doorguard.core.door import Door, Pulse
from doorguard.core.model import Grant
from doorguard.errors import StrikeError
from doorguard.ports import Clock, StrikeLine

_log = logging.getLogger(__name__)

GRANT_AGE_MAX_S = 2.0
"""A grant older than this is refused: whoever it was for may have walked on."""

POLL_S = 0.02
"""The watching thread looks this often while the line is active, and retries a failed switch-off."""

JOIN_S = 1.0


class StrikeController:
    """Implements `ports.Strike` over one `StrikeLine`. Thread-safe.

    A thread of its own switches the line off in time, so that no fault in the camera's or the vision's
    loop can hold the lock open. `released` settles the line as well, which makes a manual clock exact.

    Parameters
    ----------
    line : claimed and inactive; belongs to this controller from now on.
    clock : monotonic seconds of every pulse and of the grants' age.
    watch : whether to run that thread; without it only `released`, `relock` and `close` switch off.

    """

    def __init__(self, line: StrikeLine, clock: Clock, *, watch: bool = True) -> None:
        self._line = line
        self._clock = clock
        self._door = Door()
        self._pulse: Pulse | None = None
        self._used: Grant | None = None
        self._energised = False  # from before the first attempt to switch on until a switch-off succeeded
        self._fault: str | None = None
        self._closed = False
        self._wake = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        if watch:
            self._thread = threading.Thread(target=self._watch, name="doorguard-strike", daemon=True)
            self._thread.start()

    def release(self, grant: Grant, duration_s: float) -> None:
        """Energise for `duration_s` seconds, or lengthen the pulse in progress.

        Parameters
        ----------
        grant
            used once, at most 2 s old; exactly 2 s still counts.
        duration_s
            seconds above 0; cut to `core.door.HARD_CAP_S`, counted from the pulse's own start.

        Raises
        ------
        StrikeError : grant or duration refused, the line cannot be driven or switched off, or closed.

        """
        with self._wake:
            now_s = self._clock.monotonic()
            self._settle(now_s)
            self._check(grant, now_s)
            try:
                self._pulse = self._door.release(now_s, duration_s)
            except ValueError as error:
                raise StrikeError(str(error)) from error
            if not self._energised:
                self._switch_on()
            self._used = grant
            self._wake.notify_all()

    def relock(self) -> None:
        """End a pulse now; never raises. A line that will not switch off is retried by the thread."""
        with self._wake:
            self._door.relock()
            self._settle(self._clock.monotonic())

    @property
    def released(self) -> bool:
        """Whether the line is, or may be, at its active level; ends a pulse that is over."""
        with self._wake:
            self._settle(self._clock.monotonic())
            return self._energised

    @property
    def fault(self) -> str | None:
        """Why the line does not switch off, None while it obeys."""
        with self._wake:
            return self._fault

    def close(self) -> None:
        """Inactive first, then give the line back; never raises, and a second call does nothing."""
        with self._wake:
            if self._closed:
                return
            self._closed = True
            self.relock()
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        try:
            self._line.close()
        except Exception as error:  # noqa: BLE001  the port promises silence; the journal hears of it
            _log.error("strike: the line was not given back cleanly: %s", error)

    def _check(self, grant: Grant, now_s: float) -> None:
        """Refuse what must not open the door; raises `StrikeError`."""
        if self._closed:
            raise StrikeError("the strike is closed; start the daemon again", fatal=True)
        if self._thread is not None and not self._thread.is_alive():
            raise StrikeError("nothing would switch the strike off again; restart the daemon", fatal=True)
        if self._energised and not self._door.level(now_s):
            raise StrikeError(f"the strike does not switch off: {self._fault}; check its wiring")
        age_s = now_s - grant.issued_s
        if not 0.0 <= age_s <= GRANT_AGE_MAX_S:
            raise StrikeError(
                f"the grant is {age_s:.3f} s old, 0 to {GRANT_AGE_MAX_S:g} s allowed; ask again"
            )
        if grant is self._used:
            raise StrikeError("a grant releases the strike once; ask again")

    def _switch_on(self) -> None:
        """Drive the line active; whatever goes wrong, it is driven inactive before the error leaves."""
        self._energised = True
        done = False
        try:
            self._line.set_active(True)
            done = True
        finally:
            if not done:
                self._door.relock()
                self._settle(self._clock.monotonic())

    def _settle(self, now_s: float) -> None:
        """Drive the line inactive when no pulse is in progress; a failure is kept in `fault`."""
        if not self._energised or self._door.level(now_s):
            return
        try:
            self._line.set_active(False)
        except Exception as error:  # noqa: BLE001  the thread must live on to try again
            if self._fault is None:
                _log.error("strike: cannot switch off, trying again: %s", error)
            self._fault = str(error)
        else:
            self._energised = False
            self._fault = None

    def _watch(self) -> None:
        """Switch off in time; sleeps without a wake-up while the line is inactive."""
        with self._wake:
            try:
                while not self._closed:
                    now_s = self._clock.monotonic()
                    self._settle(now_s)
                    self._wake.wait(self._pause_s(now_s) if self._energised else None)
            finally:
                self._door.relock()
                self._settle(float("inf"))

    def _pause_s(self, now_s: float) -> float:
        """Seconds to the end of the pulse, at most `POLL_S` because a manual clock may jump."""
        left_s = self._pulse.until_s - now_s if self._pulse is not None else 0.0
        return min(left_s, POLL_S) if left_s > 0 else POLL_S
