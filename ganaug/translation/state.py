"""All that the training of a translation changes."""

from copy import deepcopy
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.optim import Optimizer

from ganaug.descent import TrainingState, adam
from ganaug.translation.objective import Terms


@dataclass
class CycleState(TrainingState):
    """Two domains' players, as far as the objective has them; D_B judges images of B.

    Attributes:
        G_AB: Images of A and z to images of B.
        D_B: Images of B, or in pairs (A, B), to logits of patches.
        G_BA: The way back.
        D_A: Its judge.
        task: Images of B to class logits; learned.
        judge: Images of A to class logits; frozen.
        heads: Of the nce term.
        averages: The slow copies of G_AB, G_BA and task: what is shipped.
        pools: Former translations, by direction.
        step: Steps taken.
        faults: The steps at which training went wrong and was taken back.
    """

    G_AB: nn.Module
    D_B: nn.Module
    G_BA: nn.Module | None
    D_A: nn.Module | None
    task: nn.Module | None
    judge: nn.Module | None
    heads: nn.Module | None
    averages: dict[str, nn.Module]
    opt_G: Optimizer
    opt_D: Optimizer
    opt_task: Optimizer | None
    pools: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    faults: list[int] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        G_AB: nn.Module,
        D_B: nn.Module,
        objective: Terms,
        *,
        G_BA: nn.Module | None = None,
        D_A: nn.Module | None = None,
        task: nn.Module | None = None,
        judge: nn.Module | None = None,
        heads: nn.Module | None = None,
    ) -> "CycleState":
        """A state at step 0, the averages equal to their players."""
        players = {"G_AB": G_AB, "G_BA": G_BA, "task": task}
        averages = {
            f"{name}_ema": deepcopy(player).eval().requires_grad_(False)
            for name, player in players.items()
            if player is not None
        }
        if judge is not None:
            judge.eval().requires_grad_(False)
        opt_G, opt_D, opt_task = (
            adam(several, objective.lr, objective.betas) if len(several) else None
            for several in (together(G_AB, G_BA, heads), together(D_B, D_A), together(task))
        )
        assert opt_G and opt_D
        return cls(G_AB, D_B, G_BA, D_A, task, judge, heads, averages, opt_G, opt_D, opt_task)

    @property
    def generators(self) -> nn.Module:
        """What minimises the generators' loss: the translators, and the heads that compare patches."""
        return together(self.G_AB, self.G_BA, self.heads)

    @property
    def discriminators(self) -> nn.Module:
        """What minimises the discriminators' loss."""
        return together(self.D_B, self.D_A)

    def modules(self) -> dict[str, nn.Module]:
        """Every network there is, by name, averages included."""
        names = ("G_AB", "D_B", "G_BA", "D_A", "task", "judge", "heads")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None} | self.averages

    def optimizers(self) -> dict[str, Optimizer]:
        """Every optimiser there is, by name."""
        found = {"opt_G": self.opt_G, "opt_D": self.opt_D, "opt_task": self.opt_task}
        return {name: optimizer for name, optimizer in found.items() if optimizer is not None}

    def tensors(self) -> dict[str, Tensor]:
        """The pools, float32 [M, C, H, W], by direction."""
        return dict(self.pools)

    def hold(self, tensors: dict[str, Tensor]) -> None:
        """Go on with the pools of a checkpoint."""
        self.pools = {name: pool.to(next(self.G_AB.parameters()).device) for name, pool in tensors.items()}

    def moved(self) -> dict[str, tuple[Optimizer, nn.Module]]:
        """Every optimiser beside what it moves."""
        players = {"opt_G": self.generators, "opt_D": self.discriminators, "opt_task": together(self.task)}
        return {name: (optimizer, players[name]) for name, optimizer in self.optimizers().items()}


def together(*players: nn.Module | None) -> nn.ModuleList:
    """Those of the players that there are, as one."""
    return nn.ModuleList([player for player in players if player is not None])
