"""Networks: pairs of generator and trunk for any H x W, and what they cost."""

from ganaug.nets.cost import describe as describe
from ganaug.nets.cost import step_bytes as step_bytes
from ganaug.nets.cost import step_seconds as step_seconds
from ganaug.nets.pairs import NETS as NETS
from ganaug.nets.pairs import Pair as Pair
from ganaug.nets.pairs import Shape as Shape
from ganaug.nets.spectral import spectrally_normalised as spectrally_normalised
