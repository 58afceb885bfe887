"""A camera's password must not stand in the settings, nor in the message that says so."""

from __future__ import annotations

import pytest

from doorguard.errors import ConfigError
from doorguard.settings_file import parse_settings


def camera(source: str) -> bytes:
    return f"camera: {{kind: opencv, source: '{source}'}}".encode()


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:hunter2@10.0.0.5/live",
        "rtsp://admin:hunter2/slash@10.0.0.5/live",
        "rtsp://:hunter2@10.0.0.5/live",
        "rtsp://admin:123456@10.0.0.5:554/live",
        "http://admin:hunter2@[fe80::1]/x",
    ],
)
def test_source_with_password_is_refused_and_not_repeated(source: str) -> None:
    with pytest.raises(ConfigError, match="password_file") as caught:
        parse_settings(camera(source), origin="test")
    assert "hunter2" not in str(caught.value)
    assert "123456" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "camera: rtsp://admin:hunter2@10.0.0.5/live",
        "camera: {kind: rtsp://admin:hunter2@10.0.0.5/live}",
        "camera: {source: [rtsp://admin:hunter2@10.0.0.5/live]}",
        "camera: {autofocus: rtsp://admin:hunter2@10.0.0.5/live}",
        "camera: {source: rtsp://admin:hunter2@10.0.0.5/live",
        "camera:\n  source: rtsp://admin:hunter2@10.0.0.5: live\n",
        "camera:\n  source: rtsp://admin:hunter2@10.0.0.5/" + "x" * 60 + ": live\n",
        "rtsp://admin:hunter2@h/: 1\nrtsp://admin:hunter2@h/: 2\n",
    ],
)
def test_password_in_the_wrong_place_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text.encode(), origin="test")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "0",
        "film.avi",
        "rtsp://admin@10.0.0.5:554/live",
        "rtsp://10.0.0.5:554/at@home",
        "http://[fe80::1]:80/x",
    ],
)
def test_source_without_password_is_taken(source: str) -> None:
    assert parse_settings(camera(source), origin="test").camera.source == source
