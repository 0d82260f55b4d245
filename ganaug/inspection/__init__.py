"""What `ganaug inspect` does: a labelled set in, the facts and problems of it and the recipe that fits it out."""

from ganaug.inspection.facts import inspect as inspect
from ganaug.inspection.page import show as show
