"""The generator's side of a step: what is asked of the faces that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from keras import ops

from reage.ages import GROUP_CENTERS
from reage.models.layers import downsample
from reage.training import losses
from reage.training.recognition import cosine_distance

CRITIC_TERMS: Final = ("critic", "attributes")
PIXEL_TERMS: Final = ("cycle", "identity", "self", "delta", "chroma", "cool", "grain")

Terms = dict[str, Any]
"""Unweighted scalar terms of the loss, by name."""


@dataclass(frozen=True)
class TaughtCritic:
    """An age critic, and what it says of real faces.

    Attributes:
        network: The frozen critic, of the generator's or a smaller image size.
        expected: (14, 14) its mean prediction on real faces of each group.
    """

    network: Any
    expected: Any


@dataclass(frozen=True)
class GeneratorTerms:
    """The terms of a generator's loss that need no discriminator.

    Attributes:
        critics: Age critics, each with the same say; none if age is of no account. What pleases
            one of them alone is often no sign of age.
        shape_flows: (14, F, F, 2), see `losses.shape_difference`; None for a generator of no flow.
        recogniser: Maps images to unit vectors, such as `FaceRecogniser`; None if there is none.
        teacher: A frozen generator whose delta is imitated; None if there is none.
        cycle_share: Share of each batch that takes the second pass, at least one face.
        recognition_margin: See `losses.excess_distance`.
        recognition_growth: See `losses.excess_distance`.
        teacher_gain: See `losses.far_gain`.
    """

    critics: Sequence[TaughtCritic]
    shape_flows: Any
    recogniser: Any = None
    teacher: Any = None
    cycle_share: float = 1.0
    recognition_margin: float = 0.0
    recognition_growth: float = 1.0
    teacher_gain: float = 1.0

    @property
    def names(self) -> list[str]:
        """Of the terms."""
        names = list(PIXEL_TERMS)
        names += CRITIC_TERMS if self.critics else ()
        names += ["shape"] if self.shape_flows is not None else []
        names += ["recognition"] if self.recogniser is not None else []
        names += ["teacher"] if self.teacher is not None else []
        return names

    def __call__(
        self, generator: Any, batch: dict[str, Any], first: Terms, seen: Any, emphasis: Any
    ) -> Terms:
        """Computes the terms.

        Args:
            generator: What is trained.
            batch: The batch of the step.
            first: Outputs of the first pass.
            seen: Its images, augmented.
            emphasis: (N,) what becoming the target age counts against staying as it was.
        """
        terms = self._of_pixels(generator, batch, first, emphasis)
        if self.critics:
            verdicts = [_of_critic(critic, batch, seen, emphasis) for critic in self.critics]
            terms |= {name: _mean([terms[name] for terms in verdicts]) for name in CRITIC_TERMS}
        if self.shape_flows is not None:
            terms["shape"] = ops.mean(
                losses.shape_difference(
                    first["flow"], batch["source_code"], batch["target_code"], self.shape_flows
                )
            )
        years = _years(batch["source_code"]), _years(batch["target_code"])
        if self.recogniser is not None:
            # Not the augmented image: a shift by some pixels weighs more than another person.
            embeddings = self.recogniser(batch["image"]), self.recogniser(first["image"])
            limits = self.recognition_margin, self.recognition_growth
            terms["recognition"] = ops.mean(
                losses.excess_distance(cosine_distance(*embeddings), *years, *limits)
            )
        if self.teacher is not None:
            gain = losses.far_gain(*years, self.teacher_gain)[:, None, None, None]
            taught = self.teacher([batch["image"], batch["target_code"]], training=False)["delta"]
            wanted = ops.stop_gradient(gain * taught)
            terms["teacher"] = ops.mean(losses.mean_absolute_difference(first["delta"], wanted))
        return terms

    def _of_pixels(
        self, generator: Any, batch: dict[str, Any], first: Terms, emphasis: Any
    ) -> Terms:
        image, delta = batch["image"], first["delta"]
        back = slice(0, max(1, round(image.shape[0] * self.cycle_share)))
        second = generator([first["image"][back], batch["source_code"][back]], training=True)
        lost = losses.mean_absolute_difference(second["image"], image[back])
        change = losses.mean_absolute_difference(delta, ops.zeros_like(delta))
        return {
            "cycle": ops.mean(lost / emphasis[back]),
            "identity": ops.mean(losses.code_difference(second["code"], first["code"][back])),
            "self": ops.mean(change * batch["self_weight"]),
            "delta": ops.mean(losses.delta_energy(delta)),
            "chroma": ops.mean(losses.chroma_energy(delta)),
            "cool": ops.mean(losses.cool_energy(image, first["image"])),
            "grain": ops.mean(losses.grain_energy(delta)),
        }


def _of_critic(critic: TaughtCritic, batch: dict[str, Any], seen: Any, emphasis: Any) -> Terms:
    judged = _verdict(critic.network, seen)
    judged_source = _verdict(critic.network, batch["image"])
    expected = ops.matmul(batch["target_code"], critic.expected)
    off_target = losses.divergence(expected, judged["age_logits"])
    return {
        "critic": ops.mean(emphasis * off_target),
        "attributes": ops.mean(losses.attribute_divergence(judged_source, judged)),
    }


def _verdict(critic: Any, images: Any) -> Any:
    while images.shape[1] > critic.input_shape[1]:
        images = downsample(images)
    return critic(images, training=False)


def _mean(values: list[Any]) -> Any:
    return sum(values) / len(values)


def _years(age_code: Any) -> Any:
    """The age (N,) that a soft age code (N, 14) stands for."""
    centers = ops.convert_to_tensor([[years] for years in GROUP_CENTERS], "float32")
    return ops.matmul(age_code, centers)[:, 0]
