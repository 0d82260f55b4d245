"""What two players optimise, and all that their training changes."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from ganaug.conditioning import ClassHead, Discriminator
from ganaug.descent import TrainingState, adam
from ganaug.losses import Adversarial

Execution = Literal["eager", "compiled", "captured"]


@dataclass(frozen=True, eq=False)
class Objective:
    """What the players optimise, and how fast."""

    adversarial: Adversarial
    class_head: ClassHead | None
    class_weight: float
    gammas: dict[str, float]  # of each row of PENALTIES
    penalty_every: int  # steps between penalties; each then weighs as many times more
    ramp: float  # share of the run over which labels come in
    policy: str  # DiffAugment
    augment_p: float  # share of the images that D sees augmented, at the start
    adapt: str  # what moves that share: "none", or a row of OVERFITTING
    lr: float
    betas: tuple[float, float]
    final_lr: float  # share of lr left at the end
    ema_images: float  # half-life of G_ema, in images shown
    bf16: bool  # convolutions and products in bfloat16
    seed: int
    mirror: bool = False  # half of the real images are shown mirrored
    execution: Execution = "eager"  # how the losses are evaluated

    def arithmetic(self, device: torch.device) -> torch.autocast:
        """The precision in which the networks are evaluated, also for penalties; what follows them is always float32.

        R1 taken so is off by .6 % an image on FashionMNIST, and its gradient has a cosine of .9998 with the exact one.
        """
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)


@dataclass
class GanState(TrainingState):
    """Everything that training changes."""

    G: nn.Module
    D: Discriminator
    G_ema: nn.Module
    opt_G: Optimizer
    opt_D: Optimizer
    augment_p: float = 0.0  # share of the images that D sees augmented
    step: int = 0
    faults: list[int] = field(default_factory=list)  # the steps at which training went wrong and was taken back
    sizes: dict[str, float] = field(default_factory=dict)  # norm of each player's weights when last looked at

    @classmethod
    def start(cls, G: nn.Module, D: Discriminator, objective: Objective) -> "GanState":
        """A state at step 0, G_ema equal to G."""
        G_ema = deepcopy(G).eval().requires_grad_(False)
        opt_G, opt_D = (adam(player, objective.lr, objective.betas) for player in (G, D))
        return cls(G, D, G_ema, opt_G, opt_D, objective.augment_p)

    def modules(self) -> dict[str, nn.Module]:
        """Both players, and the slow copy of G."""
        return {"G": self.G, "D": self.D, "G_ema": self.G_ema}

    def optimizers(self) -> dict[str, Optimizer]:
        """One for each player."""
        return {"opt_G": self.opt_G, "opt_D": self.opt_D}

    def moved(self) -> dict[str, tuple[Optimizer, nn.Module]]:
        """Both optimisers beside their players."""
        return {"opt_G": (self.opt_G, self.G), "opt_D": (self.opt_D, self.D)}

    def numbers(self) -> tuple[str, ...]:
        """How strongly D's images are augmented, and how large the players were."""
        return ("augment_p", "sizes")
