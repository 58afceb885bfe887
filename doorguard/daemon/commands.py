"""What the sockets may ask of the daemon: each verb of the table, carried out on the loop's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from doorguard.control.desk import Desk, NewTemplates
from doorguard.control.protocol import Peer, Request
from doorguard.control.verbs import VERBS, LiveArgs, LiveStartArgs, UnlockArgs
from doorguard.core.enrollment import check_name
from doorguard.daemon.guard import Guard
from doorguard.daemon.live import Face, LiveSessions
from doorguard.errors import NameTakenError
from doorguard.ports import Clock, TemplateStore


@dataclass(frozen=True, slots=True)
class LiveEnrollment:
    """The store's side of a live enrolment."""

    desk: Desk
    store: TemplateStore

    def check(self, args: LiveStartArgs) -> None:
        """Refuse a name that cannot be used, before anybody poses; raises `DoorguardError`."""
        if args.kind == "check" or args.add:
            self.store.find(args.name)
            return
        name = check_name(args.name)
        if any(resident.name.casefold() == name.casefold() for resident in self.store.residents()):
            raise NameTakenError(f"{name} is enrolled already; give --add to add templates, or another name")

    def enroll(self, args: LiveStartArgs, faces: Sequence[Face], peer: Peer) -> Mapping[str, object]:
        """Store what the session took; raises `DoorguardError`."""
        encodings = tuple(encoding for encoding, _ in faces)
        crops = tuple(crop for _, crop in faces if crop is not None)
        new = NewTemplates(args.name, args.consent, encodings, args.add, args.force, crops)
        return self.desk.enroll(new, peer.actor).as_json()


class Commands:
    """Carries out validated requests; called on the loop's thread only."""

    def __init__(self, guard: Guard, desk: Desk, live: LiveSessions, clock: Clock) -> None:
        self._guard, self._desk, self._live, self._clock = guard, desk, live, clock
        self._handlers: Mapping[str, Callable[[Request], Mapping[str, object]]] = {
            "ping": lambda _: {},
            "status": lambda _: self._guard.view().as_status(),
            "unlock": self._unlock,
            "reload": self._reload,
            "live_start": self._live_start,
            "live_poll": lambda request: self._live.poll(_session(request), self._clock.monotonic()),
            "live_cancel": lambda request: self._live.cancel(_session(request)),
        }

    def execute(self, request: Request) -> Mapping[str, object]:
        """Return the answer; a change is in force from the next frame. Raises `DoorguardError` to refuse."""
        handler = self._handlers.get(request.verb)
        if handler is not None:
            return handler(request)
        try:
            return self._desk.handle(request)
        finally:
            # Also after an error: the store may have changed before it was raised.
            if VERBS[request.verb].changes:
                self._guard.reload()

    def _unlock(self, request: Request) -> Mapping[str, object]:
        assert isinstance(request.args, UnlockArgs)
        return {"released_s": self._guard.door.unlock(request.args.reason, request.peer.actor)}

    def _reload(self, _: Request) -> Mapping[str, object]:
        roster = self._guard.reload()
        return {"residents": len(roster.gallery.residents), "templates": roster.gallery.templates}

    def _live_start(self, request: Request) -> Mapping[str, object]:
        assert isinstance(request.args, LiveStartArgs)
        return self._live.start(request.args, request.peer, self._clock.monotonic())


def _session(request: Request) -> str:
    assert isinstance(request.args, LiveArgs)
    return request.args.session
