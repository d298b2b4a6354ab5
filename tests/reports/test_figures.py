import io
import xml.etree.ElementTree as ElementTree

import numpy as np
from PIL import Image

from reports.data import GazeExample, LossPoint, ReportData, RunReport
from reports.figures import loss_svgs, overlay_png, success_svg
from reports.summary import summarise
from tests.reports.samples import full, open_loop


def test_svgs_are_well_formed_and_take_the_pages_ink():
    svgs = [success_svg(summarise(full())), *loss_svgs(full()).values()]
    assert len(svgs) == 3
    for svg in svgs:
        root = ElementTree.fromstring(svg)
        assert root.attrib["viewBox"]
        assert "currentColor" in svg
        assert "#010203" not in svg


def test_nothing_measured_draws_nothing():
    assert success_svg(summarise(open_loop())) is None
    assert loss_svgs(open_loop()) == {}


def test_names_are_escaped_in_svg():
    run = RunReport("<b>&", 0, 1, losses=(LossPoint(0, "action", 1.0), LossPoint(1, "action", 0.5)))
    svg = loss_svgs(ReportData("x", (run,)))["action"]
    assert "<b>" not in svg
    ElementTree.fromstring(svg)


def test_overlay_frames_the_region_and_leaves_its_inside():
    image = np.full((20, 20, 3), 50, np.uint8)
    drawn = np.asarray(Image.open(io.BytesIO(overlay_png(GazeExample(image, (5, 6, 10, 12), "x")))))
    assert drawn.shape == (40, 40, 3)
    assert (drawn[13:23, 11:19] == 50).all()
    assert (drawn[11, 9:20] == (255, 230, 0)).all()
    plain = np.asarray(Image.open(io.BytesIO(overlay_png(GazeExample(image, None, "x")))))
    assert (plain == 50).all()
