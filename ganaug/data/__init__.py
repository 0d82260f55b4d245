"""Data in: sources, splits, fingerprints and batches."""

from ganaug.data.batches import Batches as Batches
from ganaug.data.batches import mix as mix
from ganaug.data.labeled import LabeledImages as LabeledImages
from ganaug.data.labeled import align as align
from ganaug.data.sources import load as load
from ganaug.data.splits import first_per_class as first_per_class
from ganaug.data.splits import hold_out as hold_out
from ganaug.data.splits import require_disjoint as require_disjoint
