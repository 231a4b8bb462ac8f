"""`FaceAgingGAN`: two generator passes, a discriminator, and a frozen robust age critic."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, tree

from reage.training import losses
from reage.training.adversary import Adversary
from reage.training.augment import augment
from reage.training.distribution import (
    ReplicatedModel,
    mean_over_replicas,
    replica_count,
    results,
)
from reage.training.ema import update_average
from reage.training.generator_terms import GeneratorTerms
from reage.training.gradients import (
    apply_gradients,
    mean_over_micro_batches,
    value_and_gradients,
)
from reage.training.loss_weights import LossWeights
from reage.training.moments import FeatureMoments, cell_code, pooled
from reage.training.projected import ProjectedDiscriminator


class FaceAgingGAN(ReplicatedModel):
    """Trains generator and discriminator together, one step each per batch.

    Args:
        generator: `build_generator`.
        average: A second generator, which receives the moving average and is what ships.
        discriminator: `build_discriminator`, usually initialised from the critic.
        generator_terms: What is asked of the generator beside passing for real.
        projected: A second discriminator, trained along with the first; None if there is none.
        moments: Follows the moments of results in frozen features; None if they are free.
        weights: See `LossWeights`.
        label_sigma: Width of the soft ordinal labels of the age head, in groups.
        realism: Whether the discriminator and its terms take part; without them the critic alone
            teaches the generator what age is, which it learns faster.
        r1_interval: The R1 penalty is taken every so many steps, scaled up accordingly.
        ema_decay: Decay of the generator's moving average.
        augment_strength: Strength of the differentiable augmentation.
        distance_emphasis: How much more the adversarial and the critic's term count, and how much
            less the cycle, the further the target age is; see `losses.distance_emphasis`.
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
        generator_terms: GeneratorTerms,
        projected: ProjectedDiscriminator | None = None,
        moments: FeatureMoments | None = None,
        weights: LossWeights,
        label_sigma: float = 0.8,
        realism: bool = True,
        r1_interval: int = 16,
        ema_decay: float = 0.999,
        augment_strength: float = 1.0,
        distance_emphasis: float = 0.0,
        accumulate: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(name="face_aging_gan")
        self.generator, self.average = generator, average
        self.discriminator = discriminator
        self.generator_terms = generator_terms
        self.projected = projected if realism else None
        self.adversary = (
            Adversary(discriminator, projected, weights, label_sigma, r1_interval)
            if realism
            else None
        )
        self.moments = moments
        self.loss_weights_ = weights
        self.ema_decay, self.augment_strength = ema_decay, augment_strength
        self.distance_emphasis = distance_emphasis
        self.accumulate = accumulate
        self.random = keras.random.SeedGenerator(seed)
        self.steps = keras.Variable(0, dtype="int64", trainable=False, name="steps")
        names = [f"g_{term}" for term in generator_terms.names]
        names += ["g_projected"] if self.projected else []
        names += ["g_moments"] if self.moments else []
        if self.adversary:
            names += ["g_adversarial", *(f"d_{term}" for term in self.adversary.term_names)]
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
        self.projected_optimizer = projected_optimizer
        if self.projected:
            projected_optimizer.build(self.projected.heads.trainable_variables)

    def _trained(self) -> list[tuple[Any, Any]]:
        """Each network that a step trains, with its optimizer; the generator first."""
        judges = self.adversary.networks if self.adversary else []
        optimizers = (self.discriminator_optimizer, self.projected_optimizer)
        return [
            (self.generator, self.generator_optimizer),
            *zip(judges, optimizers, strict=False),
        ]

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
            "moments": self.moments.variables if self.moments else [],
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
        trained = self._trained()
        variables = [network.trainable_variables for network, _ in trained]
        zeros = tree.map_structure(ops.zeros_like, variables)
        gradients, terms, sums = mean_over_micro_batches(
            self._gradients,
            batch | {"self_weight": self._self_weight(batch["is_self"])},
            self.accumulate,
            (
                zeros,
                {name: ops.zeros(()) for name in self.trackers},
                self.moments.zero_sums() if self.moments else {},
            ),
        )
        for (_, optimizer), gradient, variable in zip(trained, gradients, variables, strict=True):
            apply_gradients(optimizer, gradient, variable)
        if self.moments:
            parts = self.accumulate * replica_count()
            whole = tree.map_structure(lambda x: parts * x, mean_over_replicas(sums))
            self.moments.update(whole)
        self.steps.assign_add(1)
        update_average(self.average, self.generator, self.ema_decay, self.steps)
        for name, value in mean_over_replicas(terms).items():
            self.trackers[name].update_state(value)
        return results(self.trackers)

    def _self_weight(self, is_self: Any) -> Any:
        """Weights (N,) that turn a mean over all faces of a step into one over those marked."""
        share = mean_over_replicas(ops.mean(is_self))
        return is_self / ops.maximum(share, 1e-6)

    def _gradients(
        self, batch: dict[str, Any]
    ) -> tuple[list[list[Any]], dict[str, Any], dict[str, Any]]:
        """Gradients by the weights of each trained network, loss terms, sums for `moments`."""

        def loss() -> tuple[Any, Any]:
            first = self.generator([batch["image"], batch["target_code"]], training=True)
            seen = augment(first["image"], self.random, strength=self.augment_strength)
            emphasis = losses.distance_emphasis(
                batch["source_code"], batch["target_code"], self.distance_emphasis
            )
            terms = self.generator_terms(self.generator, batch, first, seen, emphasis)
            features = self.projected.features(seen) if self.projected else []
            if self.projected:
                terms["projected"] = self.projected.generator_loss(features, batch["target_code"])
            total = sum(getattr(self.loss_weights_, name) * terms[name] for name in terms)
            named = {f"g_{name}": value for name, value in terms.items()}
            sums: dict[str, Any] = {}
            if self.moments:
                cells = cell_code(batch["target_code"], batch["sex"])
                values = pooled(features or self.moments.features(seen))
                to_real, named["g_moments"] = self.moments.loss(values, cells)
                total += self.loss_weights_.moments * to_real
                sums = self.moments.sums(values, cells)
            if not self.adversary:
                return total, (named, [], sums)
            real = augment(batch["image"], self.random, strength=self.augment_strength)
            verdict = self.adversary.judge(batch, real, seen, features, self.steps)
            # Its derivative by the faces is what the discriminator wants of them.
            pull = emphasis[:, None, None, None] * verdict.pull
            total += self.loss_weights_.adversarial * ops.sum(pull * seen)
            named["g_adversarial"] = verdict.adversarial
            named |= {f"d_{name}": value for name, value in verdict.terms.items()}
            return total, (named, verdict.gradients, sums)

        _, (terms, of_judges, sums), of_generator = value_and_gradients(
            loss, self.generator.trainable_variables
        )
        return [of_generator, *of_judges], terms, sums
