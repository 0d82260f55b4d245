"""What the state of every training has, whatever its players are."""

from torch import Tensor, nn
from torch.optim import Optimizer


class TrainingState:
    """The steps taken, and the rate of the next; what a checkpoint must hold is told by name.

    Attributes:
        step: Steps taken.
        faults: The steps at which training went wrong and was taken back.
    """

    step: int
    faults: list[int]

    def modules(self) -> dict[str, nn.Module]:
        """Every network there is, by name, averages included."""
        raise NotImplementedError

    def optimizers(self) -> dict[str, Optimizer]:
        """Every optimiser there is, by name."""
        raise NotImplementedError

    def moved(self) -> dict[str, tuple[Optimizer, nn.Module]]:
        """Every optimiser beside what it moves."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """What there is besides, by name; `hold` takes it back."""
        return {}

    def hold(self, tensors: dict[str, Tensor]) -> None:
        """Go on with the tensors of a checkpoint."""

    def numbers(self) -> tuple[str, ...]:
        """The attributes that a checkpoint must hold beside step and faults."""
        return ()

    @property
    def lr(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimizers()["opt_G"].param_groups[0]["lr"])

    def set_lr(self, lr: float) -> None:
        """The same rate for all players."""
        for optimizer in self.optimizers().values():
            for group in optimizer.param_groups:
                group["lr"] = lr

    def draw(self, steps: int) -> int:
        """The number of the next step's draws in a run of `steps`: after a fault, numbers that were never used."""
        return self.step + steps * len(self.faults)
