"""Procedural textures, so that no image file has to be shipped. All are functions of their arguments."""

from __future__ import annotations

import numpy as np

Colour = tuple[int, int, int]

TEXTURE_PIXELS = 256


def wood(base: Colour, contrast: float) -> np.ndarray:
    """Grain along the horizontal axis, tileable. Returns (256, 256, 3) uint8 RGB.

    `contrast` scales how much darker the grain lines are than `base` (0 to 1).
    """
    rng = np.random.default_rng(sum(base))
    n = TEXTURE_PIXELS
    x = np.arange(n) * (2 * np.pi / n)
    rows = np.zeros((n, n))
    for harmonic in range(1, 25):
        phase, bend = rng.uniform(0, 2 * np.pi, 2)
        wobble = (0.35 / harmonic) * np.sin(x + bend) + (0.2 / harmonic) * np.sin(3 * x + phase)
        rows += np.cos(2 * harmonic * (x[:, None] + wobble[None, :]) + phase) / harmonic**0.7
    speckle = rng.normal(0.0, 0.25, (n, n // 16)).repeat(16, axis=1)
    grain = rows / np.abs(rows).max() + speckle
    shade = 1.0 - contrast * np.clip(grain, -1.0, 1.0)
    return np.clip(np.array(base) * shade[:, :, None], 0, 255).astype(np.uint8)


def checker(light: Colour, dark: Colour) -> np.ndarray:
    """Two by two tiles. Returns (256, 256, 3) uint8 RGB."""
    half = np.arange(TEXTURE_PIXELS) < TEXTURE_PIXELS // 2
    return np.where((half[:, None] ^ half[None, :])[:, :, None], light, dark).astype(np.uint8)
