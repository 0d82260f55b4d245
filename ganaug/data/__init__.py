"""Data in: sources, splits, fingerprints and batches."""

from ganaug.data.batches import Batches as Batches
from ganaug.data.batches import mix as mix
from ganaug.data.labeled import LabeledImages as LabeledImages
from ganaug.data.labeled import align as align
from ganaug.data.labeled import is_unbalanced as is_unbalanced
from ganaug.data.labeled import require_images as require_images
from ganaug.data.overlap import duplicates as duplicates
from ganaug.data.overlap import monotonous as monotonous
from ganaug.data.overlap import near_duplicates as near_duplicates
from ganaug.data.overlap import shared as shared
from ganaug.data.sources import load as load
from ganaug.data.sources import scaled as scaled
from ganaug.data.splits import first_per_class as first_per_class
from ganaug.data.splits import hold_out as hold_out
from ganaug.data.splits import listed as listed
from ganaug.data.splits import require_disjoint as require_disjoint
from ganaug.data.splits import straddling as straddling
from ganaug.data.twins import Twins as Twins
from ganaug.data.twins import near_twins as near_twins
from ganaug.data.unlabeled import UnlabeledImages as UnlabeledImages
from ganaug.data.unlabeled import load_unlabeled as load_unlabeled
from ganaug.data.unlabeled import new_beside as new_beside
from ganaug.data.unlabeled import resized as resized
from ganaug.data.unlabeled import with_more as with_more
from ganaug.data.unlabeled import without_labels as without_labels
