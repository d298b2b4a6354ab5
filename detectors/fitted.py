"""Calibrations that were fitted, by detector and object.

Colour: `python -m benchmarks.gaze_complex --calibrate --seed 1 --frames 400`, the simulator's own scenes A to D;
neither these frames nor any of CALVIN's are among those that `docs/gaze.md` scores. Where every box seen was
right the points say little more than that smaller ones were not seen.
"""

from __future__ import annotations

from detectors.calibration import Calibration

FITTED: dict[str, dict[str, Calibration]] = {
    "colour": {
        "red_block": Calibration(((0.0, 0.0), (0.072, 1.0), (1.0, 1.0))),
        "blue_block": Calibration(((0.0, 0.0), (0.056, 1.0), (1.0, 1.0))),
        "pink_block": Calibration(((0.0, 0.0), (0.096, 1.0), (1.0, 1.0))),
        "drawer_handle": Calibration(((0.0, 0.0), (0.579, 1.0), (1.0, 1.0))),
        "drawer": Calibration(((0.0, 0.0), (0.579, 1.0), (1.0, 1.0))),
        "slider_handle": Calibration(((0.0, 0.0), (0.425, 0.8), (0.628, 1.0), (1.0, 1.0))),
        "switch": Calibration(((0.0, 0.0), (0.441, 0.0), (0.692, 0.971), (0.804, 1.0), (1.0, 1.0))),
        "button": Calibration(((0.0, 0.0), (0.417, 1.0), (1.0, 1.0))),
    }
}
