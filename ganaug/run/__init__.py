"""Recipe in, run folder out."""

from ganaug.run.check import check_run as check_run
from ganaug.run.folder import recorded_val as recorded_val
from ganaug.run.meter import meter as meter
from ganaug.run.planning import VAL_FRACTION as VAL_FRACTION
from ganaug.run.planning import Plan as Plan
from ganaug.run.planning import Val as Val
from ganaug.run.planning import plan as plan
from ganaug.run.planning import require_same_shape as require_same_shape
from ganaug.run.planning import split as split
from ganaug.run.players import build as build
from ganaug.run.training import execute as execute
from ganaug.run.training import train as train
