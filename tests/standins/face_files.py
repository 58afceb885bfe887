"""Files of faces as ../shared/train has them, with flat pictures that tell where they come from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_faces(path: Path, count: int, blue: int) -> None:
    """Store flat pictures: blue names the file, green the picture, and a red middle of 112 px."""
    pictures = []
    for index in range(count):
        image = np.full((120, 120, 3), (blue, 10 * index, 0), np.uint8)
        image[4:116, 4:116, 2] = 200
        done, coded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])
        assert done
        pictures.append(coded.reshape(-1))
    reference = np.zeros((count, 128), np.float16)
    reference[np.arange(count), np.arange(count)] = 1
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in pictures])])
    np.savez(path, webp=np.concatenate(pictures), offsets=offsets, reference=reference)
