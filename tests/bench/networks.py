"""The pairs of networks that a GPU is timed with."""

from dataclasses import dataclass, replace

from stepping import planned

from ganaug.run import Plan


@dataclass(frozen=True)
class Networks:
    """A pair of networks as it is trained here.

    Attributes:
        recipe: A shipped one.
        width: Channels at the finest level.
        side: px of the images.
        speed: Captured over eager float32 steps, as owed; None where nothing is.
        share: Of the device's rate of matrix products, as owed; None where nothing is.
    """

    recipe: str
    width: int
    side: int = 32
    speed: float | None = None
    share: float | None = None

    @property
    def lazy(self) -> bool:
        """Whether R1 is taken now and then, and not at all else."""
        return self.recipe == "style"

    def planned(self, batch: int, device: str, *settings: str) -> Plan:
        """A run of it."""
        return planned(self.recipe, f"nets.width={self.width}", *settings, side=self.side, batch=batch, device=device)


NETWORKS = {
    "stylegan2-256": Networks("style", 256, speed=4.0, share=0.2),
    "biggan-96": Networks("biggan", 96),
    "resnet-64": Networks("resnet", 64),
    "dcgan-64": Networks("dcgan", 64),
    "residual-64": Networks("auto", 64),
}


def smaller(pair: Networks) -> Networks:
    """The same at toy size."""
    return replace(pair, width=8, side=16)
