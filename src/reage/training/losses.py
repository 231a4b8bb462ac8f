"""Losses as pure functions of tensors; each returns one value per image unless told otherwise."""

from __future__ import annotations

from typing import Any, Final

from keras import ops

from reage.ages import NUM_GROUPS
from reage.models.discriminator import NUM_ETHNICITIES

GROWN_UP: Final = 16.0
"""Years from which on a face counts as that of no child."""

_MOST_CERTAIN: Final = 40.0
"""Logits beyond it leave nothing of the gradient to scale up."""


def soft_ordinal_labels(groups: Any, sigma: float) -> Any:
    """Labels (N, 14) that give neighbouring groups their share.

    Args:
        groups: True group indices, (N,).
        sigma: Width of the Gaussian over group distance, in groups.
    """
    distance = ops.arange(NUM_GROUPS, dtype="float32")[None] - ops.cast(groups, "float32")[:, None]
    return ops.softmax(-0.5 * ops.square(distance / sigma), axis=-1)


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Cross-entropy (N,) of label distributions (N, K) and logits (N, K)."""
    return -ops.sum(labels * ops.log_softmax(logits, axis=-1), axis=-1)


def divergence(labels: Any, logits: Any) -> Any:
    """Kullback-Leibler divergence (N,) of the predicted distribution from `labels`.

    With the critic's mean prediction on real faces of an age as labels it is zero once a face looks
    as much that age as real ones do: plain cross-entropy rewards caricature beyond that.
    """
    entropy = -ops.sum(labels * ops.log(ops.maximum(labels, 1e-8)), axis=-1)
    return cross_entropy(labels, logits) - entropy


def attribute_loss(outputs: dict[str, Any], sex: Any, ethnicity: Any) -> Any:
    """Cross-entropy (N,) of sex and ethnicity; an unknown label, -1, counts nothing.

    Args:
        outputs: The critic's outputs.
        sex: (N,) int, 0 male, 1 female.
        ethnicity: (N,) int, UTKFace's 0..4.
    """
    toward = outputs["sex_logits"] * (1.0 - 2.0 * ops.cast(sex, "float32"))
    labels = ops.one_hot(ops.maximum(ethnicity, 0), NUM_ETHNICITIES)
    of_sex = ops.where(sex >= 0, ops.softplus(toward), 0.0)
    of_ethnicity = ops.where(
        ethnicity >= 0, cross_entropy(labels, outputs["ethnicity_logits"]), 0.0
    )
    return of_sex + of_ethnicity


def attribute_divergence(reference: dict[str, Any], outputs: dict[str, Any]) -> Any:
    """Kullback-Leibler divergence (N,) of sex and ethnicity from what the critic said before.

    Args:
        reference: The critic's outputs on the source faces.
        outputs: Its outputs on what became of them.
    """
    share = ops.sigmoid(reference["sex_logits"])
    sexes = ops.stack([1.0 - share, share], axis=-1)
    logits = ops.stack([ops.zeros_like(share), outputs["sex_logits"]], axis=-1)
    ethnicities = ops.softmax(reference["ethnicity_logits"], axis=-1)
    return divergence(sexes, logits) + divergence(ethnicities, outputs["ethnicity_logits"])


def conditional_logits(outputs: dict[str, Any], age_code: Any) -> Any:
    """Logit (N,) that a face is real *and* of the age: realism + log p(age | face).

    Args:
        outputs: The discriminator's outputs.
        age_code: Soft age code, (N, 14).
    """
    log_probability = ops.log_softmax(outputs["age_logits"], axis=-1)
    return outputs["realism_logits"] + ops.sum(age_code * log_probability, axis=-1)


def adversarial_loss(logits: Any, *, real: bool) -> Any:
    """Non-saturating logistic loss, element-wise: low where `logits` say `real`.

    Goodfellow et al. 2014, section 3.
    """
    return ops.softplus(-logits if real else logits)


def fooling_gradient(gradient: Any, logits: Any) -> Any:
    """The gradient of the loss "these are real", from that of the loss "these are fake".

    Both go through the same logit of each image: their derivatives by a logit l are
    -sigmoid(-l) and sigmoid(l), whose ratio is -exp(-l). One way back through a discriminator
    therefore serves both, as long as no image has a part in another's logit.

    Args:
        gradient: Of the sum or mean of `adversarial_loss(logits, real=False)`, (N, S, S, 3).
        logits: (N,).
    """
    ratio = -ops.exp(ops.minimum(-logits, _MOST_CERTAIN))
    return ratio[:, None, None, None] * ops.cast(gradient, "float32")


def mean_absolute_difference(a: Any, b: Any) -> Any:
    """Mean over all but the first axis of |a - b|, float32, (N,)."""
    difference = ops.abs(ops.cast(a, "float32") - ops.cast(b, "float32"))
    return ops.mean(difference, axis=tuple(range(1, len(difference.shape))))


def code_difference(a: Any, b: Any) -> Any:
    """Mean absolute difference (N,) of identity codes, each scaled to unit root mean square."""
    return mean_absolute_difference(_unit_scale(a), _unit_scale(b))


def excess_distance(
    distance: Any, source_age: Any, target_age: Any, margin: float, growth: float = 1.0
) -> Any:
    """What `distance` (N,) exceeds the distance that so many years may cost, at least 0.

    Age must change a face, and a recogniser that is content needs no further pleasing. 30 years or
    less may cost `margin`, more in proportion.

    Args:
        distance: Cosine distances, (N,).
        source_age: Years, (N,).
        target_age: Years, (N,).
        margin: See above.
        growth: Where one of the ages is a child's, the power of (years / 30) that more years may
            cost: growing up changes a face more than ageing does.
    """
    spans = ops.maximum(ops.abs(target_age - source_age) / 30.0, 1.0)
    of_child = _of_child(source_age, target_age)
    return ops.relu(distance - margin * ops.where(of_child, spans**growth, spans))


def distance_emphasis(source_code: Any, target_code: Any, strength: float) -> Any:
    """1 (N,) where the target is the source age, `1 + strength` where it is at the other end.

    In proportion to the distance in groups, which are narrow where faces change fast. A child made
    of an adult has more to become than a neighbour in age, and fewer pixels to stay as they are.

    Args:
        source_code: Soft age codes, (N, 14).
        target_code: Soft age codes, (N, 14).
        strength: 0 gives every face the same weight.
    """
    positions = ops.arange(NUM_GROUPS, dtype="float32")[:, None]
    distance = ops.abs(ops.matmul(target_code - source_code, positions))[:, 0]
    return 1.0 + strength * distance / (NUM_GROUPS - 1)


def far_gain(source_age: Any, target_age: Any, gain: float) -> Any:
    """Factor (N,) on a change between child and adult: 1 up to 35 years, `gain` from 45 to 55.

    From there on it falls again, to 0.3 of what it adds at 70 years: the wrinkles of the very old
    do not become a child's skin by a larger change.

    Args:
        source_age: Years, (N,).
        target_age: Years, (N,).
        gain: See above.
    """
    span = ops.abs(target_age - source_age)
    beyond = ops.clip((span - 35.0) / 10.0, 0.0, 1.0)
    beyond *= 1.0 - 0.7 * ops.clip((span - 55.0) / 15.0, 0.0, 1.0)
    return 1.0 + (gain - 1.0) * ops.where(_of_child(source_age, target_age), beyond, 0.0)


def delta_energy(delta: Any) -> Any:
    """Mean square (N,) of a delta (N, S, S, 3)."""
    return ops.mean(ops.square(delta), axis=(1, 2, 3))


def chroma_energy(delta: Any) -> Any:
    """Mean square (N,) of a delta's departure from grey: age is told by light more than by tint."""
    return delta_energy(delta - ops.mean(delta, axis=-1, keepdims=True))


def cool_energy(source: Any, result: Any) -> Any:
    """Mean square (N,) of how much bluer or greener than grey, and than its source, a result is.

    Nothing in a face turns blue or green with age. What sees many blue-eyed children in its data
    paints eyes blue, which are too few pixels for `chroma_energy` to hinder it.

    Args:
        source: (N, S, S, 3), RGB, in [-1, 1].
        result: As `source`.
    """
    allowed = ops.relu(_coolness(source))
    return ops.mean(ops.square(ops.relu(_coolness(result) - allowed)), axis=(1, 2))


def grain_energy(delta: Any) -> Any:
    """Mean square (N,) of a delta's departure from its mean over 3x3 pixels.

    Wrinkles have some, coloured grain that pleases a network and no person has much.
    """
    padded = ops.pad(delta, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
    return delta_energy(delta - ops.average_pool(padded, 3, strides=1, padding="valid"))


def shape_difference(flow: Any, source_code: Any, target_code: Any, shape_flows: Any) -> Any:
    """Mean square (N,) of what a flow differs by from the mean change of shape, in percent.

    Args:
        flow: (N, F, F, 2), in sides.
        source_code: Soft age codes, (N, 14).
        target_code: Soft age codes, (N, 14).
        shape_flows: (14, F, F, 2), in sides: the flow that makes a mean face into one of each
            group. Between two ages it is, to first order, the difference of theirs.
    """
    expected = ops.tensordot(target_code - source_code, shape_flows, axes=1)
    return ops.mean(ops.square(100.0 * (flow - expected)), axis=(1, 2, 3))


def _of_child(source_age: Any, target_age: Any) -> Any:
    return ops.minimum(source_age, target_age) < GROWN_UP


def _coolness(images: Any) -> Any:
    """The mean of green and blue less red, (N, S, S): warm is below 0."""
    images = ops.cast(images, "float32")
    return 0.5 * (images[..., 1] + images[..., 2]) - images[..., 0]


def _unit_scale(code: Any) -> Any:
    code = ops.cast(code, "float32")
    power = ops.mean(ops.square(code), axis=(1, 2, 3), keepdims=True)
    return code * ops.rsqrt(power + 1e-6)
