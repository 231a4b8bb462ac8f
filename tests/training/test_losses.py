from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from reage.ages import GROUP_CENTERS, NUM_GROUPS, soft_code
from reage.training import losses
from reage.training.augment import _hide, _turn, augment, distort
from reage.training.ema import update_average
from reage.training.gradients import input_gradient, value_and_gradients, when

UNIFORM = np.full((1, NUM_GROUPS), 1 / NUM_GROUPS, np.float32)
ONE_HOT = np.eye(NUM_GROUPS, dtype=np.float32)[[4]]


def number(value: object) -> float:
    return float(np.asarray(value).reshape(()))


def test_soft_ordinal_labels() -> None:
    labels = np.asarray(losses.soft_ordinal_labels(np.array([6, 0]), 0.8))
    np.testing.assert_allclose(labels.sum(axis=-1), 1.0, atol=1e-6)
    assert labels[0, 5] == pytest.approx(labels[0, 7])
    assert labels[0, 5] / labels[0, 6] == pytest.approx(np.exp(-0.5 / 0.64), rel=1e-5)
    assert labels.argmax(axis=-1).tolist() == [6, 0]


def test_cross_entropy_and_divergence() -> None:
    flat = np.zeros((1, NUM_GROUPS), np.float32)
    assert number(losses.cross_entropy(ONE_HOT, flat)) == pytest.approx(np.log(14), rel=1e-6)
    assert number(losses.divergence(UNIFORM, flat)) == pytest.approx(0.0, abs=1e-6)
    halves = np.zeros((1, NUM_GROUPS), np.float32)
    halves[0, :2] = 0.5
    # KL(half-half, uniform) = log(14 / 2).
    assert number(losses.divergence(halves, flat)) == pytest.approx(np.log(7), rel=1e-5)


def test_attributes_count_where_they_are_known() -> None:
    outputs = {
        "sex_logits": np.array([2.0, 2.0, 2.0], np.float32),
        "ethnicity_logits": np.zeros((3, 5), np.float32),
    }
    loss = np.asarray(losses.attribute_loss(outputs, np.array([1, 0, -1]), np.array([-1, -1, 3])))
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-2)), np.log1p(np.exp(2)), np.log(5)], 1e-5)


def test_attributes_that_stay_cost_nothing() -> None:
    source = {
        "sex_logits": np.array([1.0, 0.0], np.float32),
        "ethnicity_logits": np.eye(2, 5, dtype=np.float32),
    }
    np.testing.assert_allclose(losses.attribute_divergence(source, source), 0.0, atol=1e-6)
    other = {**source, "sex_logits": np.array([1.0, np.log(3.0)], np.float32)}
    # KL of (1/2, 1/2) from (1/4, 3/4).
    expected = [0.0, 0.5 * np.log(2) + 0.5 * np.log(2 / 3)]
    np.testing.assert_allclose(losses.attribute_divergence(source, other), expected, atol=1e-5)


def test_conditional_logits_add_the_log_probability() -> None:
    outputs = {"age_logits": np.zeros((1, NUM_GROUPS), np.float32), "realism_logits": [2.0]}
    found = number(losses.conditional_logits(outputs, ONE_HOT))
    assert found == pytest.approx(2.0 - np.log(14), rel=1e-6)


def test_adversarial_loss() -> None:
    assert number(losses.adversarial_loss(0.0, real=True)) == pytest.approx(np.log(2))
    assert number(losses.adversarial_loss(3.0, real=True)) == pytest.approx(np.log1p(np.exp(-3)))
    assert number(losses.adversarial_loss(3.0, real=False)) == pytest.approx(np.log1p(np.exp(3)))


def test_energies_of_a_delta() -> None:
    grey = np.full((1, 4, 4, 3), 0.5, np.float32)
    assert number(losses.delta_energy(grey)) == pytest.approx(0.25)
    assert number(losses.chroma_energy(grey)) == pytest.approx(0.0, abs=1e-9)
    red = np.zeros((1, 4, 4, 3), np.float32)
    red[..., 0] = 0.3
    # Departure from grey 0.1: (0.2, -0.1, -0.1).
    assert number(losses.chroma_energy(red)) == pytest.approx((0.04 + 0.01 + 0.01) / 3, rel=1e-5)


def test_a_flow_costs_what_it_differs_by_from_the_mean_change_of_shape() -> None:
    flows = np.zeros((NUM_GROUPS, 4, 4, 2), np.float32)
    flows[0, ..., 0], flows[9, ..., 0] = 0.01, -0.02
    young, old = soft_code([2.5, 65.5])[:, None]
    expected = flows[:1] - flows[9:10]
    assert number(losses.shape_difference(expected, old, young, flows)) < 1e-9
    # Nothing moved: 3 % of the side too little in one of two components.
    still = np.zeros_like(expected)
    found = number(losses.shape_difference(still, old, young, flows))
    assert found == pytest.approx(9 / 2, rel=1e-4)
    assert number(losses.shape_difference(still, old, old, flows)) == 0.0


def test_differences() -> None:
    a, b = np.zeros((2, 3, 3, 1), np.float32), np.ones((2, 3, 3, 1), np.float32)
    b[1] = -2
    np.testing.assert_allclose(losses.mean_absolute_difference(a, b), [1.0, 2.0])
    code = np.random.default_rng(0).normal(size=(1, 2, 2, 8)).astype(np.float32)
    assert number(losses.code_difference(code, 7 * code)) == pytest.approx(0.0, abs=1e-5)
    assert number(losses.code_difference(code, -code)) > 1


@pytest.mark.parametrize(
    ("distance", "years", "margin", "expected"),
    [
        (0.5, 10, 0.2, 0.3),  # 30 years or less may cost the margin,
        (0.5, 30, 0.2, 0.3),
        (0.5, 60, 0.2, 0.1),  # twice the years twice of it,
        (0.5, 90, 0.2, 0.0),  # and what is within it costs nothing.
        (0.1, 0, 0.2, 0.0),
        (0.5, 60, 0.0, 0.5),  # Without a margin every distance costs.
    ],
)
def test_excess_distance(distance: float, years: float, margin: float, expected: float) -> None:
    ages = np.float32([20]), np.float32([20 + years])
    found = losses.excess_distance(np.float32([distance]), *ages, margin)
    assert number(found) == pytest.approx(expected, abs=1e-6)


def test_growing_up_may_cost_more_than_ageing() -> None:
    source = np.float32([2, 32, 62, 2, 20, 80, 100])
    target = np.float32([12, 2, 2, 62, 80, 20, 2])
    found = losses.excess_distance(np.full(7, 0.5, np.float32), source, target, 0.1, 2.0)
    # Sixty years cost twice the margin, or four times if a child is involved.
    np.testing.assert_allclose(found, [0.4, 0.4, 0.1, 0.1, 0.3, 0.3, 0.0], atol=1e-6)


def test_far_gain_is_for_many_years_between_child_and_adult() -> None:
    source = np.float32([2, 2, 2, 50, 57, 5, 65, 80, 20, 30])
    target = np.float32([10, 37, 42, 5, 2, 75, 2.5, 2, 80, 60])
    found = losses.far_gain(source, target, 1.4)
    wanted = [1, 1, 1.2, 1.4, 1.4, 1.12, 1.26, 1.12, 1, 1]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_cool_is_what_is_cooler_than_grey_and_than_the_source() -> None:
    def one(*colour: float) -> np.ndarray:
        return np.float32([[[colour]]])

    brown, grey, blue, green = (
        one(0.4, 0, -0.4),
        one(0.1, 0.1, 0.1),
        one(-0.2, 0, 0.6),
        one(0, 1, 0),
    )
    # Towards grey costs nothing, beyond it the part beyond, and a blue source may stay as it is.
    assert number(losses.cool_energy(brown, grey)) == 0
    assert number(losses.cool_energy(brown, blue)) == pytest.approx(0.5**2)
    assert number(losses.cool_energy(grey, green)) == pytest.approx(0.5**2)
    assert number(losses.cool_energy(blue, blue)) == 0
    assert number(losses.cool_energy(blue, one(-0.2, 0, 1.0))) == pytest.approx(0.2**2)
    sources, half = np.concatenate([grey, grey], axis=2), np.concatenate([grey, blue], axis=2)
    assert number(losses.cool_energy(sources, half)) == pytest.approx(0.5**2 / 2)


def test_distance_emphasis_grows_with_the_groups_between() -> None:
    source = soft_code(np.array([2.5, 2.5, 28.0]))
    target = soft_code(np.array([2.5, GROUP_CENTERS[-1], 13.0]))
    found = np.asarray(losses.distance_emphasis(source, target, 4.0))
    # From one end to the other; three groups of thirteen.
    np.testing.assert_allclose(found, [1.0, 5.0, 1.0 + 4.0 * 3 / 13], rtol=1e-5)
    np.testing.assert_array_equal(losses.distance_emphasis(source, target, 0.0), [1, 1, 1])


def images(count: int = 2, size: int = 32) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.uniform(-0.5, 0.5, (count, size, size, 3)).astype(np.float32)


def test_augmentation_of_no_strength_changes_nothing() -> None:
    x = images()
    assert augment(x, keras.random.SeedGenerator(0), strength=0) is x


def test_augmentation_is_a_function_of_its_seed() -> None:
    x = images()
    first, again, other = (
        np.asarray(augment(x, keras.random.SeedGenerator(seed))) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_augmentation_moves_by_at_most_a_sixteenth() -> None:
    x = np.zeros((1, 32, 32, 3), np.float32)
    x[0, 16, 16] = 1.0
    for seed in range(8):
        seen = np.asarray(augment(x, keras.random.SeedGenerator(seed)))[0].mean(axis=-1)
        row, column = np.unravel_index(seen.argmax(), seen.shape)
        assert max(abs(row - 16), abs(column - 16)) <= 2


def test_gradient_passes_through_the_augmentation() -> None:
    seed = keras.random.SeedGenerator(3)
    gradient = input_gradient(lambda x: augment(x, seed), tf.constant(images()))
    assert np.abs(np.asarray(gradient)).max() > 0


def test_distortion_is_a_function_of_its_seed() -> None:
    x = images()
    first, again, other = (
        np.asarray(distort(x, keras.random.SeedGenerator(seed))) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_distortion_moves_each_image_by_itself_a_little() -> None:
    x = np.zeros((64, 64, 64, 3), np.float32)
    x[:, 31:33, 31:33] = 1.0  # The middle: turning and scaling leave it there.
    seen = np.asarray(_turn(x, keras.random.SeedGenerator(0))).mean(axis=-1)
    total = seen.sum(axis=(1, 2))
    moves = np.stack(
        [(seen * axis).sum(axis=(1, 2)) / total - 31.5 for axis in np.indices((64, 64))]
    )
    assert np.abs(moves).max() < 5.5
    assert moves.std(axis=1).min() > 1


def test_distortion_hides_a_rectangle_of_every_second_image() -> None:
    size, count = 64, 200
    x = np.ones((count, size, size, 1), np.float32)
    x[:, ::2] = -1.0
    hidden = np.abs(np.asarray(_hide(x, keras.random.SeedGenerator(0)))) < 0.5
    assert 0.4 < hidden.any(axis=(1, 2, 3)).mean() < 0.6
    height, width = (hidden.any(axis=axes).sum(axis=1) for axes in ((2, 3), (1, 3)))
    assert 0.3 * size < max(height.max(), width.max()) <= 0.35 * size + 1
    assert (hidden.sum(axis=(1, 2, 3)) == height * width).all()


def test_moving_average() -> None:
    network, average = (keras.layers.Dense(1, use_bias=False) for _ in range(2))
    for layer, value in ((network, 1.0), (average, 0.0)):
        layer.build((None, 1))
        layer.kernel.assign([[value]])
    update_average(average, network, 0.999, tf.constant(0))
    assert number(average.kernel) == pytest.approx(0.9)  # Early decay (1 + 0) / (10 + 0).
    update_average(average, network, 0.5, tf.constant(10**6))
    assert number(average.kernel) == pytest.approx(0.95)


def test_gradients_of_squares() -> None:
    variable = keras.Variable([3.0])

    def loss() -> tuple[tf.Tensor, str]:
        return tf.reduce_sum(variable.value**2), "seen"

    value, auxiliary, (gradient,) = value_and_gradients(loss, [variable])
    assert (number(value), auxiliary, number(gradient)) == (9.0, "seen", 6.0)
    np.testing.assert_allclose(input_gradient(tf.square, tf.constant([1.0, -2.0])), [2.0, -4.0])


def test_when() -> None:
    for condition, expected in ((True, 5.0), (False, 0.0)):
        assert number(when(tf.constant(condition), lambda: tf.constant(5.0))) == expected


def test_grain_is_what_a_mean_over_neighbours_takes_away() -> None:
    slope = np.broadcast_to(
        np.linspace(0, 1, 8, dtype=np.float32)[None, :, None, None], (1, 8, 8, 3)
    )
    inner = np.asarray(losses.grain_energy(np.ascontiguousarray(slope)))
    # A slope bends only at the border, where the picture is mirrored: rows 0 and 7, by 2/3 a step.
    np.testing.assert_allclose(inner, [2 / 8 * (2 / 3 / 7) ** 2], rtol=1e-4)
    board = np.indices((8, 8)).sum(axis=0) % 2 * 2.0 - 1.0
    board = np.repeat(board[None, :, :, None], 3, axis=-1).astype(np.float32)
    # Five of nine equal the middle, four are its opposite: what is left is 1 - 1/9.
    np.testing.assert_allclose(losses.grain_energy(board), [(8 / 9) ** 2], rtol=1e-4)
