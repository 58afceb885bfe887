"""The network is the shipped one, tensor by tensor, and its checkpoints survive a round trip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [train] is not installed")

from train.augment import plain  # noqa: E402
from train.network import FaceNet, Shape, load_weights, read_checkpoint, write_checkpoint  # noqa: E402

from doorguard.vision.pipeline import FacePipeline  # noqa: E402

SMALL = Shape(
    input_size=32,
    stem=((4, 2), (8, 2)),
    stages=((2, 1), (2, 1), (2, 1)),
    reductions=((4, 4), (8, 8)),
    head=16,
)
CHECKPOINT = Path(__file__).parents[3] / "shared" / "models" / "facenet_checkpoint.npz"


def test_network_has_the_size_its_card_states() -> None:
    assert sum(each.numel() for each in FaceNet().parameters()) == pytest.approx(1.90e6, rel=0.01)


def test_encodings_are_unit_vectors_of_128() -> None:
    encodings = FaceNet(SMALL)(torch.randn(3, 3, 32, 32))
    assert encodings.shape == (3, 128)
    np.testing.assert_allclose(encodings.detach().norm(dim=1), 1, atol=1e-5)


def test_checkpoint_written_and_read_again_encodes_the_same(tmp_path: Path) -> None:
    first, second = FaceNet(SMALL).eval(), FaceNet(SMALL).eval()
    write_checkpoint(tmp_path / "a.npz", first.state_dict())
    load_weights(second, tmp_path / "a.npz")
    picture = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert (first(picture) - second(picture)).square().sum(dim=1).max() < 1e-4
    with np.load(tmp_path / "a.npz") as stored:
        assert {stored[name].dtype for name in stored.files} == {np.dtype(np.float16)}
        assert {"bn.running_mean", "bn.running_var", "stem.0.0.weight", "fc.weight"} <= set(stored.files)
    assert [each.name for each in tmp_path.iterdir()] == ["a.npz"]


def test_checkpoint_too_large_for_float16_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not finite in float16: fc\.weight"):
        write_checkpoint(tmp_path / "a.npz", {"fc.weight": torch.tensor([1e6])})
    assert not list(tmp_path.iterdir())


def test_checkpoint_of_another_network_is_refused_by_name(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a.npz", {"strange.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="of another network"):
        load_weights(FaceNet(SMALL), tmp_path / "a.npz")


@pytest.mark.skipif(not CHECKPOINT.exists(), reason="the shipped float weights are not on this machine")
def test_shipped_weights_encode_as_the_shipped_file_does(vision: FacePipeline, photos: Path) -> None:
    from doorguard.vision.images import load_image
    from doorguard.vision.photo import find_faces

    network = FaceNet().eval()
    load_weights(network, CHECKPOINT)
    assert "bn.running_var" not in read_checkpoint(CHECKPOINT)
    image = load_image(sorted(photos.glob("*.jpg"))[0])
    crop = vision.observe(image, find_faces(vision, image)[0]).crop
    assert crop is not None
    with torch.no_grad():
        found = network(plain(torch.from_numpy(crop[None].copy()), 112))[0].numpy()
    assert float(((found - vision.encode_crop(crop)) ** 2).sum()) < 0.02
