"""`FaceAgingGAN`: two generator passes, a discriminator, and a frozen robust age critic."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, tree

from reage.ages import GROUP_CENTERS
from reage.models.layers import downsample
from reage.training import losses
from reage.training.augment import augment
from reage.training.distribution import ReplicatedModel, mean_over_replicas, results
from reage.training.ema import update_average
from reage.training.gradients import (
    apply_gradients,
    input_gradient,
    mean_over_micro_batches,
    value_and_gradients,
    when,
)
from reage.training.loss_weights import LossWeights
from reage.training.projected import ProjectedDiscriminator
from reage.training.recognition import cosine_distance

CRITIC_TERMS = ("critic", "attributes", "cycle", "identity", "self", "delta", "chroma", "grain")
REALISM_TERMS = ("adversarial",)
DISCRIMINATOR_TERMS = ("real", "fake", "wrong_age", "age", "r1")
PROJECTED_TERMS = ("real", "fake", "wrong_age", "r1")


class FaceAgingGAN(ReplicatedModel):
    """Trains generator and discriminator together, one step each per batch.

    Args:
        generator: `build_generator`.
        average: A second generator, which receives the moving average and is what ships.
        discriminator: `build_discriminator`, usually initialised from the critic.
        critic: The frozen age critic, of the same or a smaller image size.
        recogniser: Maps images to unit vectors, such as `FaceRecogniser`; None if there is none.
        projected: A second discriminator, trained along with the first; None if there is none.
        critic_targets: (14, 14) the critic's mean prediction on real faces of each group.
        weights: See `LossWeights`.
        label_sigma: Width of the soft ordinal labels of the age head, in groups.
        realism: Whether the discriminator and its terms take part; without them the critic alone
            teaches the generator what age is, which it learns faster.
        cycle_share: Share of each batch that takes the second pass, back to the source age.
        r1_interval: The R1 penalty is taken every so many steps, scaled up accordingly.
        ema_decay: Decay of the generator's moving average.
        augment_strength: Strength of the differentiable augmentation.
        recognition_margin: Cosine distance that 30 years or less may cost; see
            `losses.excess_distance`.
        accumulate: Number of equal parts of a batch whose gradients are taken one after the other
            and averaged, so that a large batch needs the memory of a part. The step is that of the
            whole batch, except that each part draws its own augmentation.
        seed: Seed of the augmentation.
    """

    def __init__(
        self,
        *,
        generator: Any,
        average: Any,
        discriminator: Any,
        critic: Any,
        critic_targets: Any,
        projected: ProjectedDiscriminator | None = None,
        recogniser: Any = None,
        weights: LossWeights,
        label_sigma: float = 0.8,
        realism: bool = True,
        cycle_share: float = 1.0,
        r1_interval: int = 16,
        ema_decay: float = 0.999,
        augment_strength: float = 1.0,
        recognition_margin: float = 0.0,
        accumulate: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(name="face_aging_gan")
        self.generator, self.average = generator, average
        self.discriminator, self.critic = discriminator, critic
        self.critic.trainable = False
        self.projected = projected if realism else None
        self.recogniser = recogniser
        self.critic_targets = ops.convert_to_tensor(critic_targets, "float32")
        self.group_centers = ops.convert_to_tensor([[years] for years in GROUP_CENTERS], "float32")
        self.loss_weights_ = weights
        self.label_sigma, self.realism = label_sigma, realism
        self.cycle_share = cycle_share
        self.r1_interval, self.ema_decay = r1_interval, ema_decay
        self.augment_strength = augment_strength
        self.recognition_margin = recognition_margin
        self.accumulate = accumulate
        self.random = keras.random.SeedGenerator(seed)
        self.steps = keras.Variable(0, dtype="int64", trainable=False, name="steps")
        names = [f"g_{term}" for term in (*CRITIC_TERMS, *(REALISM_TERMS if realism else ()))]
        names += ["g_recognition"] if recogniser else []
        names += [f"d_{term}" for term in (DISCRIMINATOR_TERMS if realism else ())]
        if self.projected:
            names += ["g_projected", *(f"d_projected_{term}" for term in PROJECTED_TERMS)]
        self.trackers = {name: keras.metrics.Mean(name) for name in names}
        self.built = True

    def compile(
        self, generator_optimizer: Any, discriminator_optimizer: Any, projected_optimizer: Any
    ) -> None:
        """Sets the optimizers; XLA is off because it halves the speed on CPUs."""
        super().compile(jit_compile=False)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        if self.projected:
            self.projected_optimizer = projected_optimizer
            projected_optimizer.build(self.projected.heads.trainable_variables)

    def _trained(self) -> list[tuple[Any, Any]]:
        """Each network that a step trains, with its optimizer; the generator first."""
        parts = [(self.generator, self.generator_optimizer)]
        parts += [(self.discriminator, self.discriminator_optimizer)] if self.realism else []
        parts += [(self.projected.heads, self.projected_optimizer)] if self.projected else []
        return parts

    @property
    def metrics(self) -> list[Any]:
        """The running means, reset by `fit` at every epoch."""
        return list(self.trackers.values())

    def state(self) -> dict[str, list[Any]]:
        """Every variable that resuming needs, by owner; see `training.state`."""
        return {
            "generator": self.generator.variables,
            "average": self.average.variables,
            "discriminator": self.discriminator.variables,
            "generator_optimizer": self.generator_optimizer.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
            "random": [self.random.state],
            "steps": [self.steps],
        } | self._projected_state()

    def _projected_state(self) -> dict[str, list[Any]]:
        if not self.projected:
            return {}
        return {
            "projected": self.projected.heads.variables,
            "projected_optimizer": self.projected_optimizer.variables,
        }

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One generator step and one discriminator step on the same faces and fakes."""
        parts = self._trained()
        variables = [network.trainable_variables for network, _ in parts]
        zeros = tree.map_structure(ops.zeros_like, variables)
        gradients, terms = mean_over_micro_batches(
            self._gradients,
            batch | {"self_weight": self._self_weight(batch["is_self"])},
            self.accumulate,
            (zeros, {name: ops.zeros(()) for name in self.trackers}),
        )
        for (_, optimizer), gradient, variable in zip(parts, gradients, variables, strict=True):
            apply_gradients(optimizer, gradient, variable)
        self.steps.assign_add(1)
        update_average(self.average, self.generator, self.ema_decay, self.steps)
        for name, value in mean_over_replicas(terms).items():
            self.trackers[name].update_state(value)
        return results(self.trackers)

    def _self_weight(self, is_self: Any) -> Any:
        """Weights (N,) that turn a mean over all faces of a step into one over those marked."""
        share = mean_over_replicas(ops.mean(is_self))
        return is_self / ops.maximum(share, 1e-6)

    def _gradients(self, batch: dict[str, Any]) -> tuple[list[list[Any]], dict[str, Any]]:
        """Gradients by the generator's and the discriminator's weights, and the loss terms."""
        fake, features, terms, of_generator = self._generator_gradients(batch)
        if not self.realism:
            return [of_generator], terms
        more, of_judges = self._discriminator_gradients(batch, fake, features)
        return [of_generator, *of_judges], terms | more

    def _generator_gradients(
        self, batch: dict[str, Any]
    ) -> tuple[Any, list[Any], dict[str, Any], list[Any]]:
        """The faces of the first pass, their projected features, loss terms, and gradients."""

        def loss() -> tuple[Any, Any]:
            first = self.generator([batch["image"], batch["target_code"]], training=True)
            seen = augment(first["image"], self.random, strength=self.augment_strength)
            terms = self._generator_terms(batch, first, seen)
            features = self.projected.features(seen) if self.projected else []
            if self.projected:
                terms["projected"] = self.projected.generator_loss(features, batch["target_code"])
            total = sum(getattr(self.loss_weights_, name) * terms[name] for name in terms)
            return total, (first["image"], features, terms)

        _, (fake, features, terms), gradients = value_and_gradients(
            loss, self.generator.trainable_variables
        )
        return fake, features, {f"g_{name}": value for name, value in terms.items()}, gradients

    def _generator_terms(
        self, batch: dict[str, Any], first: dict[str, Any], seen: Any
    ) -> dict[str, Any]:
        """Unweighted scalar terms of the generator's loss, by name.

        Args:
            batch: The batch of the step.
            first: Outputs of the first pass.
            seen: Its images, augmented.
        """
        image, target = batch["image"], batch["target_code"]
        back = slice(0, round(image.shape[0] * self.cycle_share))
        second = self.generator([first["image"][back], batch["source_code"][back]], training=True)
        judged = self.critic(self._for_critic(seen), training=False)
        judged_source = self.critic(self._for_critic(image), training=False)
        delta = first["delta"]
        change = losses.mean_absolute_difference(delta, ops.zeros_like(delta))
        terms = {
            "critic": ops.mean(
                losses.divergence(ops.matmul(target, self.critic_targets), judged["age_logits"])
            ),
            "attributes": ops.mean(losses.attribute_divergence(judged_source, judged)),
            "cycle": ops.mean(losses.mean_absolute_difference(second["image"], image[back])),
            "identity": ops.mean(losses.code_difference(second["code"], first["code"][back])),
            "self": ops.mean(change * batch["self_weight"]),
            "delta": ops.mean(losses.delta_energy(delta)),
            "chroma": ops.mean(losses.chroma_energy(delta)),
            "grain": ops.mean(losses.grain_energy(delta)),
        }
        if self.recogniser:
            # Not the augmented image: a shift by some pixels weighs more than another person.
            distance = cosine_distance(self.recogniser(image), self.recogniser(first["image"]))
            years = ops.abs(ops.matmul(target - batch["source_code"], self.group_centers))[:, 0]
            terms["recognition"] = ops.mean(
                losses.excess_distance(distance, years, self.recognition_margin)
            )
        return terms | self._realism_terms(seen, target) if self.realism else terms

    def _realism_terms(self, seen: Any, target: Any) -> dict[str, Any]:
        judged = self.discriminator(seen, training=True)
        logits = losses.conditional_logits(judged, target)
        return {"adversarial": ops.mean(losses.adversarial_loss(logits, real=True))}

    def _discriminator_gradients(
        self, batch: dict[str, Any], fake: Any, fake_features: list[Any]
    ) -> tuple[dict[str, Any], list[list[Any]]]:
        """The loss terms of both discriminators, and the gradients of each."""
        real = augment(batch["image"], self.random, strength=self.augment_strength)
        fake = augment(fake, self.random, strength=self.augment_strength)
        real_features = self.projected.features(real) if self.projected else []

        def loss() -> tuple[Any, Any]:
            terms = self._discriminator_terms(batch, real, fake)
            total = self._weighted(terms) + self.loss_weights_.age * terms["age"]
            if self.projected:
                projected = self._projected_terms(batch, real_features, fake_features)
                total += self._weighted(projected)
                terms |= {f"projected_{name}": value for name, value in projected.items()}
            return total, terms

        weights = [network.trainable_variables for network, _ in self._trained()[1:]]
        _, terms, gradients = value_and_gradients(loss, tree.flatten(weights))
        named = {f"d_{name}": value for name, value in terms.items()}
        return named, tree.pack_sequence_as(weights, gradients)

    def _weighted(self, terms: dict[str, Any]) -> Any:
        """What both discriminators learn: real from fake and from another age, smoothly."""
        wrong_age = self.loss_weights_.wrong_age * terms["wrong_age"]
        return terms["real"] + terms["fake"] + wrong_age + terms["r1"]

    def _projected_terms(
        self, batch: dict[str, Any], real: list[Any], fake: list[Any]
    ) -> dict[str, Any]:
        """As `_discriminator_terms`, of the projected discriminator, from feature maps."""
        assert self.projected is not None
        judge, code = self.projected, batch["source_code"]
        penalty = when(self._r1_due(), lambda: judge.gradient_penalty(real, code))
        terms = judge.discriminator_losses(real, fake, batch)
        return terms | {"r1": self._r1_scale(self.loss_weights_.projected_r1) * penalty}

    def _discriminator_terms(self, batch: dict[str, Any], real: Any, fake: Any) -> dict[str, Any]:
        """Scalar terms of the discriminator's loss, by name; only `r1` is weighted."""
        both = self.discriminator(ops.concatenate([real, fake]), training=True)
        count = ops.shape(real)[0]
        on_real = {name: value[:count] for name, value in both.items()}
        on_fake = {name: value[count:] for name, value in both.items()}

        def conditional(outputs: dict[str, Any], code: Any, *, is_real: bool) -> Any:
            logits = losses.conditional_logits(outputs, code)
            return ops.mean(losses.adversarial_loss(logits, real=is_real))

        labels = losses.soft_ordinal_labels(batch["source_group"], self.label_sigma)
        return {
            "real": conditional(on_real, batch["source_code"], is_real=True),
            "fake": conditional(on_fake, batch["target_code"], is_real=False),
            "wrong_age": conditional(on_real, batch["wrong_code"], is_real=False),
            "age": ops.mean(losses.cross_entropy(labels, on_real["age_logits"])),
            "r1": when(self._r1_due(), lambda: self._r1(real, batch["source_code"])),
        }

    def _r1(self, real: Any, code: Any) -> Any:
        def logits(x: Any) -> Any:
            outputs = self.discriminator(x, training=True)
            return losses.conditional_logits(outputs, code)

        gradient = ops.cast(input_gradient(logits, real), "float32")
        penalty = ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3)))
        return self._r1_scale(self.loss_weights_.r1) * penalty

    def _r1_due(self) -> Any:
        return ops.equal(self.steps % self.r1_interval, 0)

    def _r1_scale(self, gamma: float) -> float:
        return 0.5 * gamma * self.r1_interval

    def _for_critic(self, images: Any) -> Any:
        while images.shape[1] > self.critic.input_shape[1]:
            images = downsample(images)
        return images
