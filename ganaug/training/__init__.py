"""The training loop of a conditional GAN: two players, two steps, one generator of Progress.

Nothing here knows of files, recipes or measures; the caller logs, samples, scores and saves between yields. Every draw
is a function of (seed, step, faults so far), so that a run resumed at any step goes on as if it had never stopped.
"""

from ganaug.descent import Progress as Progress
from ganaug.descent import cosine as cosine
from ganaug.descent import descend as descend
from ganaug.descent import ema_beta as ema_beta
from ganaug.descent import not_finite as not_finite
from ganaug.descent import update_ema as update_ema
from ganaug.training.adapt import OVERFITTING as OVERFITTING
from ganaug.training.evaluation import Evaluation as Evaluation
from ganaug.training.loop import label_weight as label_weight
from ganaug.training.loop import train as train
from ganaug.training.minibatch import Minibatch as Minibatch
from ganaug.training.minibatch import draw as draw
from ganaug.training.minibatch import sample_latents as sample_latents
from ganaug.training.state import GanState as GanState
from ganaug.training.state import Objective as Objective
from ganaug.training.steps import discriminator_loss as discriminator_loss
from ganaug.training.steps import discriminator_step as discriminator_step
from ganaug.training.steps import generator_loss as generator_loss
from ganaug.training.steps import generator_step as generator_step
