from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from reports.data import LossPoint, RunReport
from reports.epochs import advice_for, epochs_of, last_epochs_loss


def curve(losses, per_epoch=10, noise=0.0, name="action"):
    """`per_epoch` points in each epoch of 100 steps, alternating around the epoch's loss."""
    points = []
    for epoch, loss in enumerate(losses):
        for place in range(per_epoch):
            step = epoch * 100 + (place + 1) * 100 // per_epoch
            points.append(LossPoint(step, name, loss + noise * (-1) ** place))
    return tuple(points)


def run(losses, **options):
    return RunReport("recon", 0, train_steps=100, losses=curve(losses, **options), steps_per_epoch=100.0)


def test_gains_of_epochs():
    epochs = epochs_of(curve([4.0, 2.0, 1.5]), 100)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert [epoch.loss for epoch in epochs] == [4.0, 2.0, 1.5]
    assert epochs[0].gain is None
    assert [epoch.gain for epoch in epochs[1:]] == [0.5, 0.25]


def test_a_fractional_epoch_length_assigns_steps_once():
    points = [LossPoint(step, "action", float(step)) for step in range(1, 11)]
    epochs = epochs_of(points, 2.5)
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    np.testing.assert_allclose([epoch.loss for epoch in epochs], [1.5, 4.0, 6.5, 9.0])


@pytest.mark.parametrize(
    ("losses", "noise", "says"),
    [
        ([4.0, 2.0, 1.0, 1.0, 1.0], 0.001, "3 of 5 epochs would have done"),
        ([4.0, 2.0, 1.0], 0.001, "still gained 50.0% on what is trained on"),
        ([4.0, 2.0, 2.0], 1.9, "within its noise"),
        ([4.0], 0.0, "Less than two epochs"),
    ],
)
def test_advice(losses, noise, says):
    advice = advice_for(run(losses, noise=noise))
    assert advice.curve == "action"
    assert says in advice.sentence


def test_what_would_have_done_is_said_of_the_loss_alone():
    sentence = advice_for(run([4.0, 2.0, 1.0, 1.0, 1.0], noise=0.001)).sentence
    assert "in this loss" in sentence and sentence.endswith("which says nothing of other frames.")


@pytest.mark.parametrize("losses", [[4.0, 2.0, 2.0, 2.0], [4.0, 3.0, 2.0, 1.0]])
def test_one_point_an_epoch_advises_nothing(losses):
    assert "within its noise" in advice_for(run(losses, per_epoch=1)).sentence


def test_held_out_loss_counts_more_than_the_trained_one():
    held_out = replace(run([4.0, 1.0]), curves=curve([3.0, 3.0], noise=0.001, name="validation/action"))
    assert advice_for(held_out).curve == "validation/action"
    assert "1 of 2 epochs" in advice_for(held_out).sentence


@pytest.mark.parametrize(("per_epoch", "judged"), [(1, "action"), (2, "open_loop/loss")])
def test_held_out_loss_is_judged_where_its_error_is_known(per_epoch, judged):
    measured = curve([3.0, 2.0], per_epoch, noise=0.1, name="open_loop/loss")
    assert advice_for(replace(run([4.0, 1.0]), curves=measured)).curve == judged


def test_advice_from_frames_trained_on_tells_of_the_held_out_ones():
    trained = run([4.0, 1.0])
    held_out = tuple(LossPoint(step, "open_loop/loss", 1.0 + step / 100) for step in (50, 150))
    sentence = advice_for(replace(trained, curves=held_out)).sentence
    assert sentence.startswith(advice_for(trained).sentence)
    assert sentence.endswith("held out, the loss was 1.500 at step 50 and 2.500 at step 150.")


def test_the_last_epochs_loss_is_over_as_many_steps_as_an_epoch_has():
    known = replace(run([4.0, 2.0, 1.0]), train_steps=250)
    assert last_epochs_loss(replace(known, losses=known.losses[:25])) == pytest.approx(
        (5 * 2.0 + 5 * 1.0) / 10
    )
    assert last_epochs_loss(replace(known, steps_per_epoch=None)) is None
    assert last_epochs_loss(replace(known, losses=())) is None


def test_without_the_length_of_an_epoch_there_is_no_advice():
    assert advice_for(RunReport("recon", 0, 10, losses=curve([2.0, 1.0]))) is None
    assert advice_for(RunReport("recon", 0, 10, steps_per_epoch=3.0)) is None


def test_what_is_sure_of_few_points_is_what_students_t_says():
    """Two points an epoch: the normal quantile would call a gain of less than 1 % sure far too often."""
    points = [
        LossPoint(step, "action", loss) for step, loss in ((50, 1.01), (100, 0.99), (150, 1.0), (200, 0.99))
    ]
    last = epochs_of(points, 100)[-1]
    squares = [0.01**2, 0.005**2]
    degrees = sum(squares) ** 2 / sum(square**2 for square in squares)
    assert last.gain_bound == pytest.approx(stats.t.ppf(0.95, degrees) * sum(squares) ** 0.5)
    assert last.gain_bound > 1.645 * last.gain_error


def test_a_last_epoch_that_was_not_done_whole_says_so():
    held_out = curve([4.0, 2.0, 1.0], noise=0.001, name="validation/action")[:23]
    advice = advice_for(replace(run([4.0, 2.0, 1.0]), curves=held_out))
    assert advice.epochs[-1].share == pytest.approx(0.3)
    assert "(of which 0.30 was done) still gained 50" in advice.sentence and "more may pay" in advice.sentence
