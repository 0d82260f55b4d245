"""What the players of a translation optimise, and how fast."""

from dataclasses import dataclass, field

import torch

from ganaug.losses import ADVERSARIAL, Adversarial


@dataclass(frozen=True)
class Terms:
    """The weights of an objective; a term whose weight is 0 is not computed.

    The defaults are those of CycleGAN (Zhu et al. 2017, arXiv:1703.10593, section 4).
    """

    adversarial: str = "least_squares"  # row of ADVERSARIAL; its weight is 1
    cycle: float = 10.0  # there and back again; above 0 there are two directions
    identity: float = 5.0  # an image of the target domain stays as it is
    nce: float = 0.0  # a patch can be told to come from its own place (Park et al. 2020)
    semantic: float = 0.0  # a frozen classifier of A says the same before and after (CyCADA, Hoffman et al. 2018)
    task: float = 0.0  # a network learns the labels from A and A -> B, and G_AB keeps them (PixelDA)
    l1: float = 0.0  # to the image of the same pair; above 0 the batches are pairs, and D sees both (pix2pix)
    gammas: dict[str, float] = field(default_factory=dict)  # of rows of PENALTIES
    penalty_every: int = 16  # steps between penalties; each then weighs as many times more
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay: float = 0.5  # share of the run after which the rate falls to 0 in a line
    jitter: bool = False  # mirror and shift images at random, both of a pair alike (Isola et al. 2017, section 3.3)
    crop: int | None = None  # px, the side of the squares that are cut from images at random; None: whole images
    pool: int = 50  # former translations from which half of those that D sees are drawn; 0: none
    places: int = 64  # patches of each layer that the nce term compares, at most
    ema_images: float = 1e4  # half-life of the averages, in images shown
    bf16: bool = False  # convolutions and products in bfloat16
    seed: int = 0

    @property
    def game(self) -> Adversarial:
        """What G and D play."""
        return ADVERSARIAL[self.adversarial]

    @property
    def paired(self) -> bool:
        """Whether batches of A and B are pairs."""
        return self.l1 > 0

    def arithmetic(self, device: torch.device) -> torch.autocast:
        """The precision in which the networks are evaluated; what follows them is always float32."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)
