"""Gradient descent of several players: one update, its rate, the average of a player, and whether numbers are sound."""

from ganaug.descent.device import peak_memory as peak_memory
from ganaug.descent.device import tuned as tuned
from ganaug.descent.rate import cosine as cosine
from ganaug.descent.rate import plateau as plateau
from ganaug.descent.rate import warm_up as warm_up
from ganaug.descent.soundness import CURE as CURE
from ganaug.descent.soundness import Progress as Progress
from ganaug.descent.soundness import Taken as Taken
from ganaug.descent.soundness import norms as norms
from ganaug.descent.soundness import not_finite as not_finite
from ganaug.descent.soundness import numbers as numbers
from ganaug.descent.soundness import odd_loss as odd_loss
from ganaug.descent.soundness import odd_tensor as odd_tensor
from ganaug.descent.soundness import stop_at as stop_at
from ganaug.descent.state import TrainingState as TrainingState
from ganaug.descent.update import Losses as Losses
from ganaug.descent.update import adam as adam
from ganaug.descent.update import batch_statistics as batch_statistics
from ganaug.descent.update import descend as descend
from ganaug.descent.update import ema_beta as ema_beta
from ganaug.descent.update import gradients_of as gradients_of
from ganaug.descent.update import means as means
from ganaug.descent.update import update_ema as update_ema
