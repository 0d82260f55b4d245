"""Where a synthetic image came from, as an object and as text."""

from dataclasses import astuple, dataclass

SCHEME = "synthetic:"


@dataclass(frozen=True)
class Origin:
    """Where a synthetic image came from: `Synthesizer.sample([label], seed, [index])` of that model gives it again.

    Attributes:
        model: sha256 of the generator's weights.
        seed: Of the sampling.
        label: In the model's own numbering.
        index: Place in the endless sequence of that class.

    Example:
        >>> str(Origin("ab12", seed=0, label=3, index=7))
        'synthetic:ab12:0:3:7'
        >>> Origin.parse("synthetic:ab12:0:3:7").index
        7
    """

    model: str
    seed: int
    label: int
    index: int

    def __str__(self) -> str:
        return SCHEME + ":".join(map(str, astuple(self)))

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """The origin that `str` wrote."""
        model, seed, label, index = text.removeprefix(SCHEME).split(":")
        return cls(model, int(seed), int(label), int(index))
