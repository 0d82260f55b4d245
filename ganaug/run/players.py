"""Recipe to players: the networks, their optimisers, and what they optimise."""

import torch

from ganaug.conditioning import CLASS_HEADS, Discriminator
from ganaug.losses import ADVERSARIAL
from ganaug.nets import NETS
from ganaug.run.planning import Plan
from ganaug.synthesis import Architecture
from ganaug.training import GanState, Objective


def build(todo: Plan) -> tuple[GanState, Objective]:
    """Networks and optimisers at step 0, their weights drawn from the recipe's seed."""
    nets, t, K = todo.recipe.nets, todo.recipe.train, todo.train.num_classes
    head, pair, width = CLASS_HEADS.get(t.class_head), NETS[nets.name], nets.width or 0
    with torch.random.fork_rng(devices=[]):  # torch's initialisers know only the global generator
        torch.manual_seed(t.seed)
        G = pair.generator(todo.train.shape, K, width, nets.z_dim)
        D = Discriminator(pair.trunk(todo.train.shape, width), K, projection=t.projection, class_head=head)
    objective = Objective(
        adversarial=ADVERSARIAL[t.adversarial],
        class_head=head,
        class_weight=t.class_weight,
        r1_gamma=t.r1_gamma,
        r2_gamma=t.r2_gamma,
        penalty_every=t.penalty_every,
        policy=t.augment or "none",
        augment_p=t.augment_p or 0.0,
        lr=t.lr or 0.0,
        betas=(t.beta1, t.beta2),
        final_lr=t.final_lr,
        ema_images=t.ema_images or 1.0,
        seed=t.seed,
    )
    return GanState.start(G.to(todo.device), D.to(todo.device), objective), objective


def architecture(todo: Plan) -> Architecture:
    """What the run's generator is made of."""
    nets = todo.recipe.nets
    return Architecture(
        name=nets.name, width=nets.width or 0, z_dim=nets.z_dim, shape=todo.train.shape, classes=todo.train.classes
    )
