"""Statistics of columns, of an episode and of all of them together."""

from __future__ import annotations

import numpy as np

from calvin.statistics import QUANTILES, Whole, as_lists, of_numbers, of_pictures


def test_of_pictures_they_are_those_of_every_pixel() -> None:
    pictures = np.random.RandomState(0).randint(0, 256, (3, 20, 10, 3), dtype=np.uint8)
    found, pixels = of_pictures(pictures), pictures.reshape(-1, 3) / 255
    for name, expected in (
        ("min", pixels.min(0)),
        ("max", pixels.max(0)),
        ("mean", pixels.mean(0)),
        ("std", pixels.std(0)),
    ):
        np.testing.assert_allclose(found[name], expected.reshape(3, 1, 1), err_msg=name)
    for name, share in QUANTILES.items():
        expected = np.quantile(pixels, share, axis=0, method="inverted_cdf")
        np.testing.assert_allclose(found[name], expected.reshape(3, 1, 1), err_msg=name)
    assert found["count"].tolist() == [3]


def test_of_all_episodes_they_are_those_of_all_frames() -> None:
    random = np.random.RandomState(0)
    episodes = [random.randn(frames, 4) * 3 + number for number, frames in enumerate((5, 1, 12))]
    whole = Whole()
    for episode in episodes:
        whole.add(as_lists(of_numbers(episode)))
    found, every = whole.statistics(), np.concatenate(episodes)
    for name in ("min", "max", "mean", "std"):
        np.testing.assert_allclose(found[name], getattr(every, name)(0), err_msg=name)
    assert found["count"].tolist() == [18]
    weighted = sum(len(episode) * np.quantile(episode, 0.9, axis=0) for episode in episodes) / 18
    np.testing.assert_allclose(found["q90"], weighted)
