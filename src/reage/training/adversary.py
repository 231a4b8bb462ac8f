"""The discriminators' side of a step: what they learn, and what they tell the generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops, tree

from reage.training import losses
from reage.training.gradients import input_gradient, value_and_all_gradients, when
from reage.training.loss_weights import LossWeights
from reage.training.projected import ProjectedDiscriminator

TERMS = ("real", "fake", "wrong_age", "age", "r1")
PROJECTED_TERMS = ("real", "fake", "wrong_age", "r1")


@dataclass(frozen=True)
class Verdict:
    """What the discriminators make of a batch.

    Attributes:
        terms: Scalar loss terms by name; only `r1` is weighted.
        gradients: Of their loss, by the weights of each of `Adversary.networks`.
        adversarial: The generator's loss, a scalar: low where its faces pass for real.
        pull: Gradient of `adversarial` by the generator's faces, (N, S, S, 3).
    """

    terms: dict[str, Any]
    gradients: list[list[Any]]
    adversarial: Any
    pull: Any


@dataclass(frozen=True)
class Adversary:
    """The discriminators of a GAN.

    Attributes:
        discriminator: `build_discriminator`: no image has a part in the logits of another.
        projected: A second discriminator, or None.
        weights: See `LossWeights`.
        label_sigma: Width of the soft ordinal labels of the age head, in groups.
        r1_interval: The R1 penalty is taken every so many steps, scaled up accordingly.
    """

    discriminator: Any
    projected: ProjectedDiscriminator | None
    weights: LossWeights
    label_sigma: float
    r1_interval: int

    @property
    def networks(self) -> list[Any]:
        """What learns."""
        return [self.discriminator, *([self.projected.heads] if self.projected else [])]

    @property
    def term_names(self) -> list[str]:
        """Of `Verdict.terms`."""
        return [*TERMS, *(f"projected_{term}" for term in PROJECTED_TERMS if self.projected)]

    def judge(
        self, batch: dict[str, Any], real: Any, fake: Any, fake_features: list[Any], step: Any
    ) -> Verdict:
        """Judges real and fake faces; one way there and back serves both sides.

        Args:
            batch: The batch of the step.
            real: Its faces, augmented, (N, S, S, 3).
            fake: The generator's, augmented, (N, S, S, 3).
            fake_features: Their projected features, if there is a projected discriminator.
            step: Number of the step, an integer scalar.
        """
        due = ops.equal(step % self.r1_interval, 0)
        real_features = self.projected.features(real) if self.projected else []
        fake_features = [ops.stop_gradient(x) for x in fake_features]

        def loss(inputs: list[Any]) -> tuple[Any, Any]:
            terms, logits = self._terms(batch, real, inputs[0], due)
            total = self._weighted(terms) + self.weights.age * terms["age"]
            if self.projected:
                projected = self._projected_terms(batch, real_features, fake_features, due)
                total += self._weighted(projected)
                terms |= {f"projected_{name}": value for name, value in projected.items()}
            return total, (terms, logits)

        variables = [network.trainable_variables for network in self.networks]
        _, (terms, logits), gradients, (push,) = value_and_all_gradients(
            loss, tree.flatten(variables), [fake]
        )
        return Verdict(
            terms=terms,
            gradients=tree.pack_sequence_as(variables, gradients),
            adversarial=ops.mean(losses.adversarial_loss(logits, real=True)),
            pull=losses.fooling_gradient(push, logits),
        )

    def _weighted(self, terms: dict[str, Any]) -> Any:
        """What both discriminators learn: real from fake and from another age, smoothly."""
        wrong_age = self.weights.wrong_age * terms["wrong_age"]
        return terms["real"] + terms["fake"] + wrong_age + terms["r1"]

    def _terms(
        self, batch: dict[str, Any], real: Any, fake: Any, due: Any
    ) -> tuple[dict[str, Any], Any]:
        """The discriminator's terms, and its logits (N,) of `fake`."""
        both = self.discriminator(ops.concatenate([real, fake]), training=True)
        count = ops.shape(real)[0]
        on_real = {name: value[:count] for name, value in both.items()}
        on_fake = {name: value[count:] for name, value in both.items()}

        def loss(outputs: dict[str, Any], code: Any, *, real: bool) -> tuple[Any, Any]:
            logits = losses.conditional_logits(outputs, code)
            return ops.mean(losses.adversarial_loss(logits, real=real)), logits

        of_fake, logits = loss(on_fake, batch["target_code"], real=False)
        labels = losses.soft_ordinal_labels(batch["source_group"], self.label_sigma)
        terms = {
            "real": loss(on_real, batch["source_code"], real=True)[0],
            "fake": of_fake,
            "wrong_age": loss(on_real, batch["wrong_code"], real=False)[0],
            "age": ops.mean(losses.cross_entropy(labels, on_real["age_logits"])),
            "r1": when(due, lambda: self._r1(real, batch["source_code"])),
        }
        return terms, logits

    def _projected_terms(
        self, batch: dict[str, Any], real: list[Any], fake: list[Any], due: Any
    ) -> dict[str, Any]:
        """As `_terms`, of the projected discriminator, from feature maps."""
        assert self.projected is not None
        judge, code = self.projected, batch["source_code"]
        penalty = when(due, lambda: judge.gradient_penalty(real, code))
        terms = judge.discriminator_losses(real, fake, batch)
        return terms | {"r1": self._r1_scale(self.weights.projected_r1) * penalty}

    def _r1(self, real: Any, code: Any) -> Any:
        """R1 of Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?"."""

        def logits(x: Any) -> Any:
            return losses.conditional_logits(self.discriminator(x, training=True), code)

        gradient = ops.cast(input_gradient(logits, real), "float32")
        penalty = ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3)))
        return self._r1_scale(self.weights.r1) * penalty

    def _r1_scale(self, gamma: float) -> float:
        return 0.5 * gamma * self.r1_interval
