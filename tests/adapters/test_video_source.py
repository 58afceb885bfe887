"""OpenCV sources on real files, closed ports and servers that misbehave; and a folder of pictures."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from standins.stream_server import serve

from doorguard.adapters.camera import FolderSource, OpenCvSource, video
from doorguard.adapters.camera.network import Address
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.config import CameraSettings
from doorguard.core.model import Box
from doorguard.errors import CameraError

SECRET = "s3cret/p@ss: word"


def make(clock: ManualClock, source: object, **settings: object) -> OpenCvSource:
    return OpenCvSource(CameraSettings(kind="opencv", source=str(source), **settings), clock)


def opened(clock: ManualClock, source: object, **settings: object) -> OpenCvSource:
    camera = make(clock, source, **settings)
    camera.open()
    return camera


def write_video(
    path: Path, *, frames: int = 30, rate_hz: float = 30.0, size: tuple[int, int] = (320, 240)
) -> Path:
    """Write frames whose brightness is their number times 8; their left half is red, the right half grey."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate_hz, size)
    assert writer.isOpened()
    for number in range(frames):
        picture = np.full((size[1], size[0], 3), number * 8, np.uint8)
        picture[:, : size[0] // 2] = (0, 0, 220)
        writer.write(picture)
    writer.release()
    return path


def numbers(camera: OpenCvSource) -> Iterator[int]:
    """The number written into each frame, till the end."""
    while (frame := camera.read()) is not None:
        yield round(float(frame.image[:, -20:].mean()) / 8)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_video(tmp_path / "film.avi")


def test_file_is_read_to_its_end_in_order(film: Path, clock: ManualClock) -> None:
    camera = opened(clock, film, rate_hz=30.0)
    assert list(numbers(camera)) == list(range(30))
    assert camera.read() is None
    camera.close()


def test_file_faster_than_the_rate_skips_frames_and_keeps_its_time(film: Path, clock: ManualClock) -> None:
    started_s = clock.monotonic()
    camera = opened(clock, film, rate_hz=10.0)
    assert list(numbers(camera)) == list(range(2, 30, 3))
    assert clock.monotonic() - started_s == pytest.approx(0.9)


def test_file_slower_than_the_rate_plays_in_its_own_time(tmp_path: Path, clock: ManualClock) -> None:
    path = write_video(tmp_path / "slow.avi", frames=6, rate_hz=5.0)
    started_s = clock.monotonic()
    camera = opened(clock, path, rate_hz=15.0)
    assert list(numbers(camera)) == list(range(6))
    assert clock.monotonic() - started_s == pytest.approx(1.0)


def test_file_that_tells_no_rate_is_played_at_the_set_one(film: Path, clock: ManualClock) -> None:
    class Silent:
        def get(self, _: int) -> float:
            return float("nan")

    camera = opened(clock, film, rate_hz=20.0)
    assert camera._pace(Silent()) == (0.05, 1.0)  # type: ignore[arg-type]


def test_file_bgr_frames_come_out_rgb(film: Path, clock: ManualClock) -> None:
    frame = opened(clock, film).read()
    assert frame is not None
    red, green, blue = frame.image[120, 60].astype(int)
    assert red > 180
    assert max(green, blue) < 60


def test_file_turned_and_mirrored_comes_out_upright(film: Path, clock: ManualClock) -> None:
    """Red was left; a clockwise quarter turn brings it up."""
    frame = opened(clock, film, rotation_deg=90).read()
    assert frame is not None
    assert frame.image.shape == (320, 240, 3)
    assert frame.image[60, 120, 0] > 180
    mirrored = opened(clock, film, mirror=True).read()
    assert mirrored is not None
    assert mirrored.image[120, 260, 0] > 180


def test_file_region_of_interest_shows_that_part_only(film: Path, clock: ManualClock) -> None:
    """Upright, the red half is the top; the region asks for the upper 40 %."""
    frame = opened(clock, film, rotation_deg=90, region_of_interest=(0.0, 0.0, 1.0, 0.4)).read()
    assert frame is not None
    assert frame.image.shape == (128, 240, 3)
    assert frame.image[..., 0].min() > 150


def test_file_larger_than_set_is_scaled_down_in_proportion(tmp_path: Path, clock: ManualClock) -> None:
    path = write_video(tmp_path / "wide.avi", frames=2, size=(1280, 720))
    frame = opened(clock, path).read()
    assert frame is not None
    assert frame.image.shape == (360, 640, 3)


def test_file_opened_again_starts_over_but_numbers_go_on(film: Path, clock: ManualClock) -> None:
    camera = opened(clock, film)
    first = camera.read()
    camera.close()
    camera.open()
    second = camera.read()
    assert first is not None
    assert second is not None
    assert np.array_equal(first.image, second.image)
    assert second.sequence == first.sequence + 1


def test_file_that_vanished_raises_and_can_be_tried_again(film: Path, clock: ManualClock) -> None:
    content = film.read_bytes()
    film.unlink()
    camera = make(clock, film)
    with pytest.raises(CameraError, match="there is no video file") as caught:
        camera.open()
    assert not caught.value.fatal
    film.write_bytes(content)
    camera.open()
    assert camera.read() is not None


def test_file_cut_short_ends_without_an_exception(film: Path, clock: ManualClock) -> None:
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    camera = opened(clock, film, rate_hz=30.0)
    assert 0 < len(list(numbers(camera))) < 30


@pytest.mark.parametrize("content", [b"", b"no film at all", b"RIFF\x00\x00\x00\x00AVI "])
def test_file_that_is_no_video_raises(
    tmp_path: Path, clock: ManualClock, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "note.avi"
    path.write_bytes(content)
    with pytest.raises(CameraError, match="no video file that OpenCV can read"):
        opened(clock, path)
    assert capfd.readouterr().err == ""


def test_folder_as_file_raises(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(CameraError, match="there is no video file"):
        opened(clock, tmp_path)


@pytest.mark.parametrize("device", ["63", "/dev/video63"])
def test_device_that_is_not_there_raises_quietly(
    clock: ManualClock, device: str, capfd: pytest.CaptureFixture[str]
) -> None:
    camera = make(clock, device)
    with pytest.raises(CameraError, match="not plugged in") as caught:
        camera.open()
    assert not caught.value.fatal
    assert capfd.readouterr().err == ""
    camera.close()


class Device:
    """A `cv2.VideoCapture` as a USB camera's driver answers: a frame every 1/30 s, till it is pulled out."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.properties: dict[int, float] = {}
        self.plugged = True
        self.decodes = True
        self.fails = False
        self.grabbed = 0
        self.released = False

    def isOpened(self) -> bool:
        return True

    def set(self, name: int, value: float) -> bool:
        self.properties[name] = value
        return True

    def grab(self) -> bool:
        self.clock.advance(1 / 30)
        self.grabbed += 1
        return self.plugged

    def retrieve(self) -> tuple[bool, object]:
        if self.fails:
            raise cv2.error("rtsp://user:secret@camera")
        return self.decodes, np.zeros((240, 320, 3), np.uint8) if self.decodes else None

    def release(self) -> None:
        self.released = True


@pytest.fixture
def device(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device(clock)
    monkeypatch.setattr(video.cv2, "VideoCapture", lambda *_: device)
    return device


def test_device_is_asked_for_size_rate_and_one_buffer(clock: ManualClock, device: Device) -> None:
    opened(clock, "0", width=1280, height=720, rate_hz=12.0)
    assert device.properties == {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        cv2.CAP_PROP_FRAME_WIDTH: 1280,
        cv2.CAP_PROP_FRAME_HEIGHT: 720,
        cv2.CAP_PROP_FPS: 12.0,
        cv2.CAP_PROP_BUFFERSIZE: 1,
    }


def test_device_small_picture_stays_uncompressed(clock: ManualClock, device: Device) -> None:
    opened(clock, "0")
    assert cv2.CAP_PROP_FOURCC not in device.properties


def test_device_faster_than_the_rate_is_thinned_out(clock: ManualClock, device: Device) -> None:
    camera = opened(clock, "0", rate_hz=15.0)
    times = [frame.captured_s for _ in range(31) if (frame := camera.read()) is not None]
    assert np.diff(times).mean() == pytest.approx(1 / 15, rel=0.02)
    assert device.grabbed == 61


def test_device_slower_than_the_rate_gives_every_frame(clock: ManualClock, device: Device) -> None:
    camera = opened(clock, "0", rate_hz=60.0)
    for _ in range(10):
        camera.read()
    assert device.grabbed == 10


def test_device_pulled_out_raises_and_closes(clock: ManualClock, device: Device) -> None:
    camera = opened(clock, "0")
    camera.read()
    device.plugged = False
    with pytest.raises(CameraError, match="stopped delivering") as caught:
        camera.read()
    assert not caught.value.fatal
    assert device.released
    camera.open()


def test_device_undecodable_frame_raises(clock: ManualClock, device: Device) -> None:
    device.decodes = False
    with pytest.raises(CameraError, match="could not be decoded"):
        opened(clock, "0").read()


def test_device_library_error_is_translated_without_its_text(clock: ManualClock, device: Device) -> None:
    device.fails = True
    with pytest.raises(CameraError, match="OpenCV failed") as caught:
        opened(clock, "0").read()
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_open_twice_raises(film: Path, clock: ManualClock) -> None:
    camera = opened(clock, film)
    with pytest.raises(CameraError, match="open already"):
        camera.open()


def test_meter_is_accepted_and_ignored(film: Path, clock: ManualClock) -> None:
    camera = opened(clock, film)
    frame = camera.read()
    assert frame is not None
    camera.meter(Box(1, 2, 3, 4), frame.image)
    camera.meter(None, frame.image)
    assert camera.read() is not None


# Network cameras


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "camera.password"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


UNAUTHORISED = b'RTSP/1.0 401 Unauthorized\r\n@CSEQ@\r\nWWW-Authenticate: Basic realm="door"\r\n\r\n'


def test_stream_closed_port_raises_at_once_and_names_no_secret(
    clock: ManualClock, password_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    started_s = time.monotonic()
    camera = make(clock, "rtsp://admin@127.0.0.1:1/stream?token=tok3n", password_file=password_file)
    with pytest.raises(
        CameraError, match=r"rtsp://127\.0\.0\.1:1 cannot be reached: Connection refused"
    ) as caught:
        camera.open()
    assert time.monotonic() - started_s < 3.0
    captured = capfd.readouterr()
    for text in (str(caught.value), repr(caught.value), captured.err, captured.out):
        assert "s3cret" not in text
        assert "admin" not in text
        assert "tok3n" not in text


@pytest.mark.parametrize("reply", [None, UNAUTHORISED, b"220 this is no camera\r\n\r\n"])
def test_stream_server_without_picture_raises_in_time_and_names_no_secret(
    clock: ManualClock, password_file: Path, capfd: pytest.CaptureFixture[str], reply: bytes | None
) -> None:
    """A server that takes the connection and then says nothing, "401", or something else altogether."""
    with serve(reply) as port:
        started_s = time.monotonic()
        camera = make(clock, f"rtsp://admin@127.0.0.1:{port}/stream", password_file=password_file)
        with pytest.raises(CameraError, match="gave no picture") as caught:
            camera.open()
        assert time.monotonic() - started_s < 5.0
    shown = capfd.readouterr().err + str(caught.value)
    assert "s3cret" not in shown
    assert "admin" not in shown


LEAK_PROBE = """
import sys
from doorguard.adapters.camera import OpenCvSource
from doorguard.adapters.clock import SystemClock
from doorguard.config import CameraSettings
from doorguard.errors import CameraError
from pathlib import Path
settings = CameraSettings(kind="opencv", source=sys.argv[1], password_file=Path(sys.argv[2]))
try:
    OpenCvSource(settings, SystemClock()).open()
except CameraError as error:
    print(error)
"""


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_stream_with_all_debugging_switched_on_prints_no_password(password_file: Path, scheme: str) -> None:
    """OpenCV and FFmpeg write to standard error from C; so look at a process's whole output."""
    debugging = {"OPENCV_LOG_LEVEL": "VERBOSE", "OPENCV_VIDEOIO_DEBUG": "1", "OPENCV_FFMPEG_DEBUG": "1"}
    with serve(UNAUTHORISED) as port:
        url = f"{scheme}://admin@127.0.0.1:{port}/stream"
        done = subprocess.run(
            [sys.executable, "-c", LEAK_PROBE, url, str(password_file)],
            capture_output=True,
            text=True,
            timeout=30,
            env={**debugging, "PATH": "/usr/bin:/bin"},
        )
    assert "gave no picture" in done.stdout
    assert "admin" not in done.stdout + done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_stream_mjpeg_over_http_delivers_frames(clock: ManualClock, film: Path) -> None:
    with serve(b"HTTP/1.0 200 OK\r\nContent-Type: video/x-msvideo\r\n\r\n" + film.read_bytes()) as port:
        camera = opened(clock, f"http://127.0.0.1:{port}/film.avi", rate_hz=30.0)
        frame = camera.read()
        camera.close()
    assert frame is not None
    assert frame.image.shape == (240, 320, 3)


def test_address_url_carries_user_and_escaped_password(password_file: Path) -> None:
    address = Address.parse("rtsp://ad%20min@10.0.0.5/live?channel=1", password_file)
    assert address.url == "rtsp://ad%20min:s3cret%2Fp%40ss%3A%20word@10.0.0.5:554/live?channel=1"
    assert str(address) == "rtsp://10.0.0.5:554"
    assert "s3cret" not in repr(address)


def test_address_without_user_or_with_ipv6_is_plain() -> None:
    assert Address.parse("http://[fe80::1]:8080/x", None).url == "http://[fe80::1]:8080/x"
    assert Address.parse("rtsps://cam/", None).url == "rtsps://cam:322/"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("rtsp://admin:hunter2@10.0.0.5/live", "holds a password"),
        ("rtsp://admin:@10.0.0.5/live", "holds a password"),
        ("ftp://admin@10.0.0.5/hunter2", "must be scheme"),
        ("rtsp:///hunter2", "must be scheme"),
        ("rtsp://10.0.0.5:99999/hunter2", "no valid URL"),
        ("rtsp://[hunter2/", "no valid URL"),
    ],
)
def test_address_unusable_url_is_fatal_and_not_repeated(source: str, message: str) -> None:
    with pytest.raises(CameraError, match=message) as caught:
        Address.parse(source, None)
    assert caught.value.fatal
    assert "hunter2" not in str(caught.value)


def test_password_without_user_is_fatal(clock: ManualClock, password_file: Path) -> None:
    with pytest.raises(CameraError, match="names no user"):
        opened(clock, "rtsp://127.0.0.1:1/", password_file=password_file)


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"x" * 2000, b"\xff\xfe"])
def test_password_file_without_one_line_is_fatal(
    password_file: Path, clock: ManualClock, content: bytes
) -> None:
    password_file.write_bytes(content)
    with pytest.raises(CameraError, match="one line of text"):
        opened(clock, "rtsp://admin@127.0.0.1:1/", password_file=password_file)


def test_password_file_open_to_everybody_is_fatal(password_file: Path, clock: ManualClock) -> None:
    password_file.chmod(0o644)
    with pytest.raises(CameraError, match="chmod o="):
        opened(clock, "rtsp://admin@127.0.0.1:1/", password_file=password_file)


def test_password_file_missing_is_fatal(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(CameraError, match="cannot be read"):
        opened(clock, "rtsp://admin@127.0.0.1:1/", password_file=tmp_path / "none")


# A folder of pictures


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Path:
    Pillow.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def album(tmp_path: Path) -> Path:
    picture(tmp_path / "b.png", (10, 200, 10))
    picture(tmp_path / "a.jpg", (200, 10, 10))
    picture(tmp_path / "c.WEBP", (10, 10, 200), (48, 64))
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def folder(clock: ManualClock, path: Path, **settings: object) -> FolderSource:
    source = FolderSource(CameraSettings(kind="folder", source=str(path), **settings), clock)
    source.open()
    return source


def test_folder_shows_its_pictures_by_name_at_one_size(album: Path, clock: ManualClock) -> None:
    source = folder(clock, album, rate_hz=2.0)
    started_s = clock.monotonic()
    frames = [source.read() for _ in range(3)]
    assert source.read() is None
    centres = [frame.image[240, 320] for frame in frames if frame is not None]
    assert [int(np.argmax(centre)) for centre in centres] == [0, 1, 2]
    assert {frame.image.shape for frame in frames if frame is not None} == {(480, 640, 3)}
    assert clock.monotonic() - started_s == pytest.approx(1.0)


def test_folder_honours_exif_rotation(tmp_path: Path, clock: ManualClock) -> None:
    """Stored lying on its side with the note "turn clockwise": the stored left edge is the bottom... up."""
    stored = np.zeros((480, 640, 3), np.uint8)
    stored[:, :320] = 255
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(stored).save(tmp_path / "phone.jpg", exif=exif)
    frame = folder(clock, tmp_path, width=480, height=640).read()
    assert frame is not None
    assert frame.image[100, 240, 0] > 200
    assert frame.image[500, 240, 0] < 50


def test_folder_region_rotation_and_mirror_apply(tmp_path: Path, clock: ManualClock) -> None:
    scene = np.zeros((480, 640, 3), np.uint8)
    scene[:240, :320] = 255
    Pillow.fromarray(scene).save(tmp_path / "a.png")
    frame = folder(clock, tmp_path, rotation_deg=180, region_of_interest=(0.5, 0.5, 0.5, 0.5)).read()
    assert frame is not None
    assert frame.image.min() > 250


@pytest.mark.parametrize("content", [b"", b"just text", b"\xff\xd8\xff\xe0broken", b"GIF89a\x01\x00\x01\x00"])
def test_folder_file_that_is_no_picture_raises(tmp_path: Path, clock: ManualClock, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    source = folder(clock, tmp_path)
    with pytest.raises(CameraError, match="no picture that can be read"):
        source.read()
    with pytest.raises(CameraError, match="not open"):
        source.read()


def test_folder_huge_picture_is_refused_by_its_header(tmp_path: Path, clock: ManualClock) -> None:
    Pillow.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    with pytest.raises(CameraError, match="more than 64 megapixels"):
        folder(clock, tmp_path).read()


def test_folder_picture_that_vanished_raises(album: Path, clock: ManualClock) -> None:
    source = folder(clock, album)
    (album / "a.jpg").unlink()
    with pytest.raises(CameraError, match=r"a\.jpg is no picture"):
        source.read()


def test_folder_missing_or_empty_raises(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(CameraError, match="no folder"):
        folder(clock, tmp_path / "none")
    with pytest.raises(CameraError, match="no picture"):
        folder(clock, tmp_path)


def test_folder_opened_twice_raises(album: Path, clock: ManualClock) -> None:
    source = folder(clock, album)
    with pytest.raises(CameraError, match="open already"):
        source.open()
    source.meter(None, np.zeros((2, 2, 3), np.uint8))
