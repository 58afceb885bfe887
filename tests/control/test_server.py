"""The sockets under friendly and hostile clients, on real sockets."""

from __future__ import annotations

import contextlib
import grp
import logging
import os
import resource
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorguard.control import protocol
from doorguard.control.client import call, daemon_running
from doorguard.control.connection import Limits
from doorguard.control.protocol import MAX_LINE_BYTES, Channel, Request
from doorguard.control.server import ControlServer
from doorguard.control.verbs import VERBS
from doorguard.errors import ControlError, DoorguardError, NameTakenError, UsageError
from doorguard.places import Places

QUICK = Limits(line_s=0.15, answer_s=0.3)


@dataclass
class Hands:
    """What a daemon would do with requests: keeps them, answers, and does worse when told so."""

    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Mapping[str, object]] = lambda request: {"verb": request.verb}
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, request: Request) -> Mapping[str, object]:
        self.requests.append(request)
        self.begun.release()
        return self.answer(request)

    def wait_for_go(self, request: Request) -> Mapping[str, object]:
        assert self.go.wait(10.0)
        return {"verb": request.verb}


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    yield made
    made.go.set()


@pytest.fixture
def server(places: Places, hands: Hands) -> Iterator[ControlServer]:
    with ControlServer(places, hands) as made:
        yield made


@pytest.fixture
def quick_server(places: Places, hands: Hands) -> Iterator[ControlServer]:
    with ControlServer(places, hands, limits=QUICK) as made:
        yield made


@contextlib.contextmanager
def dialled(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.connect(str(path))
        made.settimeout(10.0)
        yield made


def received(client: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(MAX_LINE_BYTES):
            answer += chunk
    return answer


def exchange(path: Path, sent: bytes) -> bytes:
    with dialled(path) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(sent)
        return received(client)


# --- friendly -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("server")
def test_server_asked_tells_the_handler_who_asks_and_where(places: Places, hands: Hands) -> None:
    before_s = time.monotonic()
    assert call(places.status_socket, "status") == {"verb": "status"}
    assert call(places.control_socket, "unlock", {"reason": " parcel "}) == {"verb": "unlock"}
    status, unlock = hands.requests
    assert (status.channel, unlock.channel) == (Channel.STATUS, Channel.CONTROL)
    assert (unlock.peer.uid, unlock.peer.pid) == (os.getuid(), os.getpid())
    assert unlock.args.model_dump() == {"reason": "parcel"}
    assert before_s < unlock.deadline_s <= time.monotonic() + 2.0


@pytest.mark.usefixtures("server")
def test_server_whose_handler_refuses_passes_the_error_on(places: Places, hands: Hands) -> None:
    def refuse(_: Request) -> Mapping[str, object]:
        raise NameTakenError("Ada is enrolled already")

    hands.answer = refuse
    with pytest.raises(NameTakenError, match="Ada is enrolled already"):
        call(places.control_socket, "reload")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("error", [ValueError("Ada's secret"), SystemExit("Ada's secret"), KeyError("Ada")])
def test_server_whose_handler_breaks_says_little_and_lives_on(
    places: Places, hands: Hands, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def broken(_: Request) -> Mapping[str, object]:
        raise error

    hands.answer = broken
    with pytest.raises(ControlError, match="reload failed inside"):
        call(places.control_socket, "reload")
    assert type(error).__name__ in caplog.text
    assert "Ada" not in caplog.text
    hands.answer = lambda _: {}
    assert call(places.control_socket, "reload") == {}


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("result", [{"a": float("nan")}, {"a": b"x"}, {"a": "x" * MAX_LINE_BYTES}])
def test_server_whose_answer_cannot_be_sent_says_so(
    places: Places, hands: Hands, result: dict[str, object]
) -> None:
    hands.answer = lambda _: result
    with pytest.raises(ControlError, match="the answer"):
        call(places.control_socket, "reload")


@pytest.mark.usefixtures("server")
def test_server_with_the_longest_answer_delivers_it_whole(places: Places, hands: Hands) -> None:
    room = MAX_LINE_BYTES - len(protocol.encode_result({"a": ""}))
    hands.answer = lambda _: {"a": "x" * room}
    assert call(places.control_socket, "reload") == {"a": "x" * room}


def test_server_stopped_removes_its_sockets_and_ends_its_threads(places: Places, hands: Hands) -> None:
    server = ControlServer(places, hands)
    server.start()
    call(places.status_socket, "ping")
    assert daemon_running(places)
    server.stop()
    server.stop()
    assert not daemon_running(places)
    assert list(places.runtime.iterdir()) == []
    assert "doorguard-control" not in [thread.name for thread in threading.enumerate()]


def test_server_stopped_while_a_request_runs_hangs_up_within_two_seconds(
    places: Places, hands: Hands
) -> None:
    hands.answer = hands.wait_for_go
    with ControlServer(places, hands), dialled(places.control_socket) as client:
        client.sendall(protocol.encode_request("reload", {}))
        assert hands.begun.acquire(timeout=5.0)
        stopped_s = time.monotonic()
    assert time.monotonic() - stopped_s < 2.0
    hands.go.set()


# --- late -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_server")
def test_server_whose_handler_is_late_says_that_it_may_still_take_effect(
    places: Places, hands: Hands
) -> None:
    hands.answer = hands.wait_for_go
    with pytest.raises(ControlError, match="not done with it yet; look whether it took effect"):
        call(places.control_socket, "reload")
    hands.go.set()
    assert call(places.control_socket, "reload") == {"verb": "reload"}


@pytest.mark.usefixtures("quick_server")
def test_server_that_never_began_a_request_says_so_and_never_begins_it(places: Places, hands: Hands) -> None:
    hands.answer = hands.wait_for_go
    with contextlib.ExitStack() as open_clients:
        busy = [open_clients.enter_context(dialled(places.control_socket)) for _ in range(QUICK.workers)]
        for client in busy:
            client.sendall(protocol.encode_request("reload", {}))
            assert hands.begun.acquire(timeout=5.0)
        with pytest.raises(ControlError, match="nothing was changed"):
            call(places.control_socket, "unlock", {"reason": "parcel"})
        for client in busy:
            assert b"not done with it yet" in received(client)
    hands.go.set()
    assert call(places.control_socket, "ping") == {"verb": "ping"}
    assert [request.verb for request in hands.requests] == ["reload", "reload", "ping"]


@pytest.mark.usefixtures("quick_server")
def test_server_whose_control_workers_are_busy_still_answers_status(places: Places, hands: Hands) -> None:
    hands.answer = lambda request: hands.wait_for_go(request) if request.verb == "reload" else {"ok": 1}
    with contextlib.ExitStack() as open_clients:
        for _ in range(QUICK.workers):
            client = open_clients.enter_context(dialled(places.control_socket))
            client.sendall(protocol.encode_request("reload", {}))
            assert hands.begun.acquire(timeout=5.0)
        assert call(places.status_socket, "status", timeout_s=0.25) == {"ok": 1}


# --- hostile --------------------------------------------------------------------------------------

HOSTILE = {
    "nothing": b"\n",
    "no JSON": b"hello\n",
    "HTTP": b"POST /unlock HTTP/1.1\r\nHost: x\r\n\r\n{}",
    "binary": bytes(range(11, 256)) * 20 + b"\n",
    "zeros": bytes(4096) + b"\n",
    "a megabyte": b"x" * 1_000_000 + b"\n",
    "a megabyte without end": b"x" * 1_000_000,
    "a megabyte of JSON": b'{"verb":"unlock","args":{"reason":"' + b"x" * 1_000_000 + b'"}}\n',
    "a bomb of brackets": b"[" * 60_000 + b"\n",
    "a bomb of objects": b'{"a":' * 12_000 + b"\n",
    "a bomb in the arguments": b'{"verb":"unlock","args":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001 + b"\n",
    "a long number": b'{"verb":"unlock","args":{"reason":' + b"9" * 60_000 + b"}}\n",
    "an unknown verb": b'{"verb":"shell","args":{}}\n',
    "a private name": b'{"verb":"__init__","args":{}}\n',
    "arguments that do not fit": b'{"verb":"unlock","args":{"reason":7}}\n',
    "no reason": b'{"verb":"unlock","args":{}}\n',
    "a reason with control characters": b'{"verb":"unlock","args":{"reason":"\\u001b[2J"}}\n',
    "a key twice": b'{"verb":"ping","verb":"unlock","args":{"reason":"x"}}\n',
    "half a surrogate": b'{"verb":"unlock","args":{"reason":"\\ud800"}}\n',
}


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("channel", Channel)
def test_server_sent_nonsense_answers_why_and_calls_no_handler(
    places: Places, hands: Hands, sent: bytes, channel: Channel
) -> None:
    path = places.control_socket if channel is Channel.CONTROL else places.status_socket
    with pytest.raises((ControlError, UsageError)):
        protocol.decode_reply(exchange(path, sent))
    assert hands.requests == []
    assert call(path, "ping") == {"verb": "ping"}


@pytest.mark.usefixtures("server")
def test_server_asked_to_change_through_the_status_socket_refuses(places: Places, hands: Hands) -> None:
    for verb in VERBS.keys() - {"ping", "status"}:
        with pytest.raises(ControlError, match="knows no such verb"):
            call(places.status_socket, verb, {"reason": "x", "name": "Ada"})
    assert hands.requests == []


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.binary(max_size=200)
    | st.builds(
        lambda verb, tail: b'{"verb":"' + verb.encode() + b'","args":' + tail + b"}\n",
        st.sampled_from(sorted(VERBS)),
        st.binary(max_size=40),
    ),
    channel=st.sampled_from(Channel),
)
def test_server_sent_any_bytes_answers_and_lets_only_validated_requests_through(
    quick_server: ControlServer, places: Places, hands: Hands, sent: bytes, channel: Channel
) -> None:
    del hands.requests[:]
    path = places.control_socket if channel is Channel.CONTROL else places.status_socket
    with contextlib.suppress(DoorguardError):
        protocol.decode_reply(exchange(path, sent + b"\n"))
    for request in hands.requests:
        row = VERBS[request.verb]
        assert channel in row.channels
        assert type(request.args) is row.args
        assert row.args.model_validate(request.args.model_dump()) == request.args
    assert call(path, "ping") == {"verb": "ping"}


@pytest.mark.usefixtures("quick_server")
@pytest.mark.parametrize("sent", [b"", b"{", b'{"verb":"unlock","args":{"reason":"x"}}'])
def test_server_sent_half_a_line_gives_up_in_time_and_calls_no_handler(
    places: Places, hands: Hands, sent: bytes
) -> None:
    begun_s = time.monotonic()
    with pytest.raises(ControlError, match="no whole line came in time"):
        protocol.decode_reply(exchange(places.control_socket, sent))
    assert QUICK.line_s * 0.9 <= time.monotonic() - begun_s < 2.0
    assert hands.requests == []


@pytest.mark.usefixtures("quick_server")
def test_server_fed_byte_by_byte_gives_up_in_time_all_the_same(places: Places, hands: Hands) -> None:
    begun_s = time.monotonic()
    pause = threading.Event()
    with dialled(places.control_socket) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - begun_s < 5.0:
                client.sendall(b"x")
                pause.wait(0.01)
        assert b"no whole line came in time" in received(client)
    assert time.monotonic() - begun_s < 2.0
    assert hands.requests == []


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("sent", [b"", b"{", b'{"verb":"ping"}\n'])
def test_server_whose_client_vanishes_lives_on(places: Places, sent: bytes) -> None:
    for _ in range(20):
        with dialled(places.control_socket) as client:
            client.sendall(sent)
    assert call(places.control_socket, "ping") == {"verb": "ping"}


@pytest.mark.usefixtures("server")
def test_server_whose_client_vanishes_while_its_request_runs_lives_on(places: Places, hands: Hands) -> None:
    hands.answer = hands.wait_for_go
    with dialled(places.control_socket) as client:
        client.sendall(protocol.encode_request("reload", {}))
        assert hands.begun.acquire(timeout=5.0)
    hands.go.set()
    assert call(places.control_socket, "ping") == {"verb": "ping"}


@pytest.mark.usefixtures("quick_server")
def test_server_whose_client_never_reads_drops_it_in_time(places: Places, hands: Hands) -> None:
    hands.answer = lambda _: {"a": "x" * 60_000}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lazy:
        lazy.connect(str(places.control_socket))
        lazy.sendall(protocol.encode_request("reload", {}))
        assert call(places.status_socket, "status", timeout_s=1.0)
        lazy.settimeout(10.0)
        assert len(received(lazy)) > 60_000


@pytest.mark.usefixtures("server")
def test_server_with_many_silent_connections_answers_the_next_client_at_once(places: Places) -> None:
    with contextlib.ExitStack() as open_clients:
        for _ in range(100):
            open_clients.enter_context(dialled(places.control_socket))
            half = open_clients.enter_context(dialled(places.status_socket))
            with contextlib.suppress(BrokenPipeError):  # dropped already, for one of those after it
                half.sendall(b'{"verb"')
        begun_s = time.monotonic()
        assert call(places.control_socket, "ping") == {"verb": "ping"}
        assert call(places.status_socket, "status") == {"verb": "status"}
        assert time.monotonic() - begun_s < 0.5


def test_server_with_all_places_at_work_says_that_it_is_busy(places: Places, hands: Hands) -> None:
    hands.answer = lambda request: (
        hands.wait_for_go(request) if request.verb == "reload" else {"verb": "status"}
    )
    limits = Limits(per_uid=2)
    with ControlServer(places, hands, limits=limits), contextlib.ExitStack() as open_clients:
        for _ in range(2):
            client = open_clients.enter_context(dialled(places.control_socket))
            client.sendall(protocol.encode_request("reload", {}))
            assert hands.begun.acquire(timeout=5.0)
        with pytest.raises(ControlError, match="busy with other requests"):
            call(places.control_socket, "status")
        assert call(places.status_socket, "status", timeout_s=1.0) == {"verb": "status"}
        hands.go.set()


@pytest.mark.parametrize("limits", [Limits(connections=2, line_s=30.0), Limits(per_uid=2, line_s=30.0)])
def test_server_full_drops_the_oldest_silent_connection_with_a_word(
    places: Places, hands: Hands, limits: Limits
) -> None:
    with (
        ControlServer(places, hands, limits=limits),
        dialled(places.control_socket) as oldest,
        dialled(places.control_socket) as younger,
    ):
        assert call(places.control_socket, "ping") == {"verb": "ping"}
        assert b"too many requests at once" in received(oldest)
        younger.sendall(protocol.encode_request("ping", {}))
        assert b'"ok":true' in received(younger)


def test_server_flooded_answers_everybody_and_carries_out_what_it_says(places: Places, hands: Hands) -> None:
    with ControlServer(places, hands, limits=Limits(connections=2, per_uid=2)):
        with contextlib.ExitStack() as open_clients:
            clients = [open_clients.enter_context(dialled(places.control_socket)) for _ in range(20)]
            for client in clients:
                with contextlib.suppress(BrokenPipeError):
                    client.sendall(protocol.encode_request("ping", {}))
            answers = [received(client) for client in clients]
        assert all(answers)
        assert sum(b'"ok":true' in answer for answer in answers) == len(hands.requests)


def test_server_out_of_descriptors_waits_and_recovers(
    places: Places, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    caplog.set_level(logging.WARNING)
    with ControlServer(places, hands), contextlib.ExitStack() as taken:
        call(places.status_socket, "ping")
        client = taken.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            client.settimeout(5.0)
            client.connect(str(places.status_socket))
            client.sendall(protocol.encode_request("ping", {}))
            waited = threading.Event()
            for _ in range(200):
                if "cannot accept" in caplog.text:
                    break
                waited.wait(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert "cannot accept a client" in caplog.text
        assert b'"ok":true' in received(client)


class BrokenFilter(logging.Filter):
    """A log filter that raises: a fault where nobody expects one."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "refused" in record.msg:
            raise RuntimeError("filter")
        return True


@pytest.mark.usefixtures("quick_server")
def test_server_with_a_fault_inside_lives_on(places: Places, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = logging.getLogger("doorguard.control.server")
    broken = BrokenFilter()
    log.addFilter(broken)
    try:
        with dialled(places.control_socket) as client:
            client.sendall(b"nonsense\n")
            for _ in range(200):
                if "RuntimeError" in caplog.text:
                    break
                threading.Event().wait(0.01)
    finally:
        log.removeFilter(broken)
    assert "RuntimeError at" in caplog.text
    assert call(places.control_socket, "ping") == {"verb": "ping"}


# --- the socket files -----------------------------------------------------------------------------


@pytest.mark.usefixtures("server")
def test_server_without_the_groups_gives_its_sockets_to_the_owner_alone(places: Places) -> None:
    for path, group in ((places.status_socket, "doorguard"), (places.control_socket, "doorguard-admin")):
        try:
            grp.getgrnam(group)
        except KeyError:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        else:
            assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o660)
    assert stat.S_IMODE(places.runtime.stat().st_mode) == 0o700


def test_server_with_its_groups_gives_each_socket_to_its_own(
    places: Places, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = grp.getgrgid(os.getgid())
    asked: list[str] = []

    def known(name: str) -> grp.struct_group:
        asked.append(name)
        return own

    monkeypatch.setattr(grp, "getgrnam", known)
    with ControlServer(replace(places, system=True), hands):
        for path in (places.status_socket, places.control_socket):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert path.stat().st_gid == os.getgid()
        assert stat.S_IMODE(places.runtime.stat().st_mode) & 0o022 == 0
    assert asked == ["doorguard", "doorguard-admin"]


@pytest.mark.usefixtures("server")
def test_server_started_beside_another_refuses_and_leaves_it_alone(places: Places, hands: Hands) -> None:
    with pytest.raises(ControlError, match="a daemon answers at"):
        ControlServer(places, hands).start()
    assert call(places.control_socket, "ping") == {"verb": "ping"}
    assert call(places.status_socket, "ping") == {"verb": "ping"}


def test_server_started_over_a_dead_daemons_sockets_replaces_them(places: Places, hands: Hands) -> None:
    places.runtime.mkdir()
    for path in (places.status_socket, places.control_socket):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    with ControlServer(places, hands):
        assert call(places.control_socket, "ping") == {"verb": "ping"}


def test_server_started_over_a_file_that_is_no_socket_leaves_it(places: Places, hands: Hands) -> None:
    places.runtime.mkdir()
    places.control_socket.write_text("precious")
    with pytest.raises(ControlError, match="in the way and no socket"):
        ControlServer(places, hands).start()
    assert places.control_socket.read_text() == "precious"
    assert not places.status_socket.exists()


def test_server_started_over_a_link_follows_it_nowhere(places: Places, hands: Hands, tmp_path: Path) -> None:
    places.runtime.mkdir()
    target = tmp_path / "target"
    target.write_text("precious")
    places.control_socket.symlink_to(target)
    with pytest.raises(ControlError, match="in the way and no socket"):
        ControlServer(places, hands).start()
    assert target.read_text() == "precious"


def test_server_started_over_a_socket_of_another_kind_refuses(places: Places, hands: Hands) -> None:
    places.runtime.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(places.status_socket))
        with pytest.raises(ControlError, match="cannot tell whether"):
            ControlServer(places, hands).start()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_server_in_a_folder_others_may_write_to_refuses(places: Places, hands: Hands, mode: int) -> None:
    places.runtime.mkdir()
    places.runtime.chmod(mode)
    with pytest.raises(ControlError, match="others may write to"):
        ControlServer(places, hands).start()
    assert list(places.runtime.iterdir()) == []


def test_server_whose_folder_cannot_be_made_says_so(places: Places, hands: Hands) -> None:
    places.runtime.parent.mkdir(exist_ok=True)
    places.runtime.write_text("a file")
    with pytest.raises(ControlError, match="cannot make the folder"):
        ControlServer(places, hands).start()


def test_server_whose_path_is_too_long_says_so(places: Places, hands: Hands, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"cannot listen at .* too long"):
        ControlServer(replace(places, runtime=tmp_path / ("x" * 120)), hands).start()


def test_server_stopped_leaves_a_successors_socket_alone(places: Places, hands: Hands) -> None:
    server = ControlServer(places, hands)
    server.start()
    places.control_socket.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(places.control_socket))
        server.stop()
        assert places.control_socket.exists()
    assert not places.status_socket.exists()
