"""Recipe to players: the networks, their optimisers, and what they optimise."""

import logging

import torch

from ganaug.conditioning import CLASS_HEADS, Discriminator
from ganaug.losses import ADVERSARIAL
from ganaug.nets import NETS, spectrally_normalised
from ganaug.run.inherit import inherit
from ganaug.run.planning import Plan
from ganaug.synthesis import Architecture
from ganaug.training import GanState, Objective

log = logging.getLogger("ganaug")


def build(todo: Plan) -> tuple[GanState, Objective]:
    """Networks and optimisers at step 0, their weights drawn from the recipe's seed."""
    nets, t, K = todo.recipe.nets, todo.recipe.train, todo.train.num_classes
    head = CLASS_HEADS.get(t.class_head)
    with torch.random.fork_rng(devices=[]):  # torch's initialisers know only the global generator
        torch.manual_seed(t.seed)
        G = architecture(todo).build()
        trunk = NETS[nets.name or ""].trunk(todo.train.shape, nets.width or 0)
        D = Discriminator(trunk, K, projection=t.projection, class_head=head, minibatch_std=t.minibatch_std)
        if t.spectral_norm:
            spectrally_normalised(D)
    objective = objective_of(todo)
    if objective.bf16:  # the layout that its convolutions are fast in
        for player in (G, D):
            player.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return GanState.start(G.to(todo.device), D.to(todo.device), objective), objective


def objective_of(todo: Plan) -> Objective:
    """What the players of a run optimise."""
    t = todo.recipe.train
    return Objective(
        adversarial=ADVERSARIAL[t.adversarial or ""],
        class_head=CLASS_HEADS.get(t.class_head),
        class_weight=t.class_weight or 0.0,
        gammas={"r1": t.r1_gamma or 0.0, "r2": t.r2_gamma or 0.0},
        penalty_every=t.penalty_every or 1,
        ramp=t.ramp or 0.0,
        policy=t.augment or "none",
        augment_p=t.augment_p or 0.0,
        adapt=t.adapt or "none",
        lr=t.lr or 0.0,
        betas=(t.beta1 or 0.0, t.beta2 or 0.0),
        final_lr=t.final_lr,
        ema_images=t.ema_images or 1.0,
        bf16=t.precision == "bf16",
        seed=t.seed,
        mirror=t.mirror,
        execution=t.execution or "eager",
    )


def begin(todo: Plan, state: GanState) -> None:
    """What a state at step 0 takes over from the model in `train.init`; said in the log.

    Raises:
        ModelError: The model is not there any more, or damaged.
    """
    if todo.init:
        for line in inherit(todo.recipe.train.init, state.G, state.D, todo.train.classes):
            log.info("%s", line)
        state.G_ema.load_state_dict(state.G.state_dict())


def architecture(todo: Plan) -> Architecture:
    """What the run's generator is made of."""
    return Architecture.of(todo.recipe.nets, todo.train)
