"""What a step of CycleGAN costs beside the loop that one writes from the paper, with the same networks."""

import itertools
import random
from typing import Any

import torch
from rows import SPEED, Duel, Row, duel
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ganaug.data import Batches, UnlabeledImages
from ganaug.images import to_float
from ganaug.translation import CycleState, Sizes, Terms, build, train

STEPS, MANY = 3, 10**6
CPU = torch.device("cpu")


def rows(*, toy: bool = False) -> tuple[Row, ...]:
    """Steps of nets of width 32 with six blocks; a narrower pair where it is only to be seen that all works."""
    side, batch, sizes = (16, 2, Sizes(width=4, downs=1, blocks=1, patch_width=4)) if toy else (64, 8, Sizes())
    what, against = f"{STEPS} CycleGAN steps, {side} px, batch {batch}, bf16", "the same networks in a plain fp32 loop"
    return (Row(what, against, 1.5, SPEED, duel(lambda: cyclegan_steps(side, batch, sizes))),)


def cyclegan_steps(side: int, batch: int, sizes: Sizes) -> Duel:
    """Some of each."""
    shape = (3, side, side)
    a, b = (images(side, seed) for seed in (0, 1))
    objective = Terms(bf16=True)
    state = build(shape, shape, sizes, objective, CPU)
    streams = tuple(
        Batches(UnlabeledImages(data, tuple(map(str, range(len(data))))), batch, seed, CPU)
        for seed, data in ((0, a), (1, b))
    )
    loop = train(state, streams[0], streams[1], objective, steps=MANY, tick=STEPS)
    plain = by_the_paper(build(shape, shape, sizes, Terms(), CPU), a, b, batch)
    return Duel(lambda: next(loop), lambda: [next(plain) for _ in range(STEPS)])


def images(side: int, seed: int) -> Tensor:
    """Noise, uint8 [64, 3, side, side]."""
    return torch.randint(0, 256, (64, 3, side, side), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def by_the_paper(state: CycleState, a: Tensor, b: Tensor, batch: int) -> Any:
    """An endless loop in float32, as the authors' code has it (Zhu et al. 2017): both G first, then each D."""
    G_AB, G_BA, D_A, D_B = state.G_AB, state.G_BA, state.D_A, state.D_B
    assert G_BA is not None and D_A is not None
    opt_G = torch.optim.Adam(itertools.chain(G_AB.parameters(), G_BA.parameters()), 2e-4, (0.5, 0.999))
    opt_D = torch.optim.Adam(itertools.chain(D_A.parameters(), D_B.parameters()), 2e-4, (0.5, 0.999))
    pools: tuple[list[Tensor], list[Tensor]] = [], []
    none, rng = torch.zeros(batch, 0), random.Random(0)
    while True:
        real_a, real_b = (to_float(data[torch.randperm(len(data))[:batch]]) for data in (a, b))
        fake_b, fake_a = G_AB(real_a, none), G_BA(real_b, none)
        set_learning(False, D_A, D_B)
        said = [D_B(fake_b), D_A(fake_a)]
        loss = sum(mse_loss(logits, torch.ones_like(logits)) for logits in said)
        loss = loss + 10 * (l1_loss(G_BA(fake_b, none), real_a) + l1_loss(G_AB(fake_a, none), real_b))
        loss = loss + 5 * (l1_loss(G_BA(real_a, none), real_a) + l1_loss(G_AB(real_b, none), real_b))
        opt_G.zero_grad()
        loss.backward()
        opt_G.step()
        set_learning(True, D_A, D_B)
        opt_D.zero_grad()
        for D, real, fake, pool in ((D_B, real_b, fake_b, pools[0]), (D_A, real_a, fake_a, pools[1])):
            of_real, of_fake = D(real), D(shown(pool, fake.detach(), rng))
            wrong = mse_loss(of_real, torch.ones_like(of_real)) + mse_loss(of_fake, torch.zeros_like(of_fake))
            (wrong / 2).backward()
        opt_D.step()
        yield


def shown(pool: list[Tensor], fakes: Tensor, rng: random.Random) -> Tensor:
    """Half of the fakes, and former ones for the others (Shrivastava et al. 2017)."""
    found = []
    for fake in fakes:
        if len(pool) < 50:
            pool.append(fake)
        elif rng.random() < 0.5:
            place = rng.randrange(50)
            fake, pool[place] = pool[place], fake
        found.append(fake)
    return torch.stack(found)


def set_learning(learns: bool, *players: nn.Module) -> None:
    """Whether gradients of the players are wanted."""
    for player in players:
        player.requires_grad_(learns)
