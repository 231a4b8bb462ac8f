"""Train the age critic against perturbed faces, so that its gradient shows what age looks like.

A plain classifier is satisfied by noise and tint that nobody sees. One trained on the worst small
change to each face only trusts features that a person sees, and its input gradient ages a face
visibly (Santurkar et al. 2019, "Image Synthesis with a Single (Robust) Classifier").
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from reage.errors import TrainingError
from reage.training.augment import augment, distort
from reage.training.config import TrainConfig
from reage.training.distribution import ReplicatedModel, results
from reage.training.ema import update_average
from reage.training.gradients import apply_gradients, input_gradient, value_and_gradients
from reage.training.initial import read_initial, start_from
from reage.training.losses import attribute_loss, cross_entropy, soft_ordinal_labels
from reage.training.networks import make_critic


def build_critic_trainer(config: TrainConfig) -> AgeCriticTrainer:
    """The trainer of a run's age critic, not compiled yet."""
    settings = config.critic
    return AgeCriticTrainer(
        make_critic(config),
        make_critic(config),
        epsilon=settings.epsilon,
        epsilon_ramp_steps=round(settings.steps * settings.epsilon_ramp),
        clean_share=settings.clean_share,
        label_sigma=settings.label_sigma,
        attribute_weight=settings.attribute_weight,
        distorted=settings.distorted,
        ema_decay=settings.ema_decay,
        seed=config.seed,
    )


class AgeCriticTrainer(ReplicatedModel):
    """Trains a critic's heads for age, sex and ethnicity by one-step L2 adversarial training.

    Wong et al. 2020, "Fast is better than free": a random start makes one gradient step enough.

    Args:
        critic: The network to train; `build_critic`.
        average: A second copy of it that receives the exponential moving average.
        epsilon: Radius of the perturbation, L2 over a whole image in [-1, 1].
        epsilon_ramp_steps: Steps over which the radius grows from 0.
        clean_share: Share of each batch that is left unperturbed; it keeps the critic accurate.
        label_sigma: Width of the soft ordinal labels, in groups.
        attribute_weight: What sex and ethnicity count, where age counts 1.
        distorted: Whether it sees faces through `augment.distort`, too.
        ema_decay: Decay of the moving average.
        seed: Seed of augmentation and random starts.
    """

    def __init__(
        self,
        critic: Any,
        average: Any,
        *,
        epsilon: float,
        epsilon_ramp_steps: int,
        clean_share: float,
        label_sigma: float,
        attribute_weight: float,
        distorted: bool = False,
        ema_decay: float,
        seed: int,
    ) -> None:
        super().__init__(name="age_critic_trainer")
        self.critic, self.average = critic, average
        heads = ("age_logits", "sex_logits", "ethnicity_logits")
        self.heads = keras.Model(critic.inputs, {name: critic.output[name] for name in heads})
        self.epsilon, self.epsilon_ramp_steps = epsilon, epsilon_ramp_steps
        self.clean_share = clean_share
        self.label_sigma, self.attribute_weight = label_sigma, attribute_weight
        self.distorted, self.ema_decay = distorted, ema_decay
        self.random = keras.random.SeedGenerator(seed)
        self.steps = keras.Variable(0, dtype="int64", trainable=False, name="steps")
        self.trackers = {name: keras.metrics.Mean(name) for name in ("loss", "accuracy")}
        self.built = True

    @property
    def metrics(self) -> list[Any]:
        """The running means, reset by `fit` at every epoch."""
        return list(self.trackers.values())

    def state(self) -> dict[str, list[Any]]:
        """Every variable that resuming needs, by owner; see `training.state`."""
        return {
            "critic": self.critic.variables,
            "average": self.average.variables,
            "optimizer": self.optimizer.variables,
            "random": [self.random.state],
            "steps": [self.steps],
        }

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step on clean and on perturbed faces; see `training_batch` for the batch."""
        images = augment(batch["image"], self.random)
        if self.distorted:
            images = distort(images, self.random)
        shown = self._partly_perturbed(images, batch)
        variables = self.heads.trainable_variables

        def loss() -> tuple[Any, Any]:
            outputs = self.heads(shown, training=True)
            return ops.mean(self._loss(outputs, batch)), outputs["age_logits"]

        value, logits, gradients = value_and_gradients(loss, variables)
        apply_gradients(self.optimizer, gradients, variables)
        self.steps.assign_add(1)
        update_average(self.average, self.critic, self.ema_decay, self.steps)
        predicted = ops.cast(ops.argmax(logits, axis=-1), "int64")
        hits = ops.equal(predicted, ops.cast(batch["source_group"], "int64"))
        self.trackers["loss"].update_state(value)
        self.trackers["accuracy"].update_state(ops.cast(hits, "float32"))
        return results(self.trackers)

    def _partly_perturbed(self, images: Any, batch: dict[str, Any]) -> Any:
        clean = round(images.shape[0] * self.clean_share)
        if clean == images.shape[0]:
            # No network takes a batch of no images.
            return images
        names = ("source_group", "sex", "ethnicity")
        worst = self._perturb(images[clean:], {name: batch[name][clean:] for name in names})
        return ops.concatenate([images[:clean], worst])

    def _loss(self, outputs: dict[str, Any], labels: dict[str, Any]) -> Any:
        ages = soft_ordinal_labels(labels["source_group"], self.label_sigma)
        attributes = attribute_loss(outputs, labels["sex"], labels["ethnicity"])
        return cross_entropy(ages, outputs["age_logits"]) + self.attribute_weight * attributes

    def _perturb(self, images: Any, labels: dict[str, Any]) -> Any:
        ramp = ops.cast(self.steps, "float32") / max(1, self.epsilon_ramp_steps)
        radius = self.epsilon * ops.minimum(1.0, ramp)
        noise = keras.random.normal(ops.shape(images), seed=self.random)
        scale = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.random)
        start = _clip_norm(noise, radius) * scale

        def loss(x: Any) -> Any:
            return self._loss(self.heads(x, training=True), labels)

        gradient = ops.cast(input_gradient(loss, images + start), "float32")
        step = start + 1.25 * radius * gradient / (_norm(gradient) + 1e-12)
        return ops.stop_gradient(ops.clip(images + _clip_norm(step, radius), -1.0, 1.0))


def check_start(config: TrainConfig) -> None:
    """Checks, before hours of training, that there is something for `mix_in_start` to mix in.

    Raises:
        TrainingError: If the initial weights hold no critic.
    """
    init = config.critic.init or config.init
    if config.critic.start_share and "critic" not in read_initial(init):
        raise TrainingError(init, "holds no critic to mix in", "leave out critic.start_share")


def mix_in_start(critic: Any, config: TrainConfig) -> None:
    """Gives the critic's initial weights, which `check_limits` wants named, their share in it.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models": the mean of a network and of
    what it was trained on to is often better than both.
    """
    start = make_critic(config)
    start_from(config.critic.init or config.init, {"critic": start})
    for variable, before in zip(critic.variables, start.variables, strict=True):
        share = config.critic.start_share
        variable.assign(share * before.value + (1.0 - share) * variable.value)


def ascend(
    critic: Any, images: Any, target_group: int, *, steps: int = 40, step_size: float = 0.25
) -> Any:
    """Changes the pixels themselves towards an age group by gradient ascent on the critic.

    Args:
        critic: A trained critic.
        images: (N, S, S, 3) float32 in [-1, 1].
        target_group: 0..13.
        steps: Number of steps.
        step_size: L2 length of a step.

    Returns:
        Changed images, as `images`: what the critic takes for that age.
    """
    x = ops.convert_to_tensor(images)
    labels = ops.one_hot(ops.full((x.shape[0],), target_group, dtype="int32"), 14)
    for _ in range(steps):
        gradient = input_gradient(
            lambda y: -cross_entropy(labels, critic(y, training=False)["age_logits"]), x
        )
        gradient = ops.cast(gradient, "float32")
        x = ops.clip(x + step_size * gradient / (_norm(gradient) + 1e-12), -1.0, 1.0)
    return x


def _norm(x: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(x), axis=(1, 2, 3), keepdims=True))


def _clip_norm(x: Any, radius: Any) -> Any:
    return x * ops.minimum(1.0, radius / (_norm(x) + 1e-12))
