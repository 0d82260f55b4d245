"""The gradients of one step, averaged over all processes that torchrun started, as one vector in a file."""

import sys

import numpy as np
import torch
from tiny_run import noise
from torch import Generator

from ganaug.ranks import average, is_first, together
from ganaug.recipe import load_recipe
from ganaug.run import plan
from ganaug.run.players import build
from ganaug.run.streams import streams
from ganaug.training import Evaluation, discriminator_loss, draw, generator_loss


def main(nets: str, out: str) -> None:
    torch.set_num_threads(1)
    recipe = load_recipe("auto", ["train.batch_size=32", "nets.width=8", f"nets.name={nets}", "train.r1_gamma=1.0"])
    todo = plan(noise(60, (3, 16, 16)), recipe, device="cpu")
    with together():
        (state, objective), batches, evaluate = build(todo), streams(todo)[0], Evaluation()
        rng = Generator().manual_seed(0)
        seen = draw(batches, 0, state.G, objective.policy, 0.5, 1.0, rng)
        of_D, _ = evaluate(discriminator_loss, state.D, seen, state.G, state.D, objective, {"r1": 1.0})
        of_G, _ = evaluate(generator_loss, state.G, seen, state.G, evaluate.constant(state.D), objective, {})
        average([*of_D, *of_G])
        if is_first():
            np.save(out, torch.cat([gradient.flatten() for gradient in (*of_D, *of_G)]).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
