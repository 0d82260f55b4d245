"""Processes that work together, as torchrun starts them: which of them this is, and what they tell each other.

They are numbered by rank. Words between them go over gloo, on any device: it notices at once where a process is gone.
Gradients go over NCCL where they lie on a GPU. Nothing here imports torch before it is needed.
"""

from ganaug.ranks.joining import together as together
from ganaug.ranks.place import neighbours as neighbours
from ganaug.ranks.place import own as own
from ganaug.ranks.place import speaks as speaks
from ganaug.ranks.place import started as started
from ganaug.ranks.sums import average as average
from ganaug.ranks.ties import is_first as is_first
from ganaug.ranks.ties import jobs as jobs
from ganaug.ranks.ties import rank as rank
from ganaug.ranks.ties import size as size
from ganaug.ranks.words import agreed as agreed
from ganaug.ranks.words import any_rank as any_rank
from ganaug.ranks.words import gathered as gathered
from ganaug.ranks.words import require_alike as require_alike
from ganaug.ranks.words import shared as shared
from ganaug.ranks.words import wait as wait
