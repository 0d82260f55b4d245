"""The training loop of a domain translation: one engine, whose terms are on where their weights are above 0.

CycleGAN, PixelDA, CUT and pix2pix are rows of PRESETS. Nothing here knows of files,
recipes or measures; the caller loads, logs, samples and saves between yields. Every draw is a function of (seed, step,
faults so far), so that a run resumed at any step goes on as if it had never stopped.
"""

from ganaug.descent import Progress as Progress
from ganaug.translation.building import Sizes as Sizes
from ganaug.translation.building import build as build
from ganaug.translation.cost import describe as describe
from ganaug.translation.cost import step_seconds as step_seconds
from ganaug.translation.loop import train as train
from ganaug.translation.objective import Terms as Terms
from ganaug.translation.pool import from_pool as from_pool
from ganaug.translation.presets import PRESETS as PRESETS
from ganaug.translation.state import CycleState as CycleState
from ganaug.translation.steps import discriminator_step as discriminator_step
from ganaug.translation.steps import generator_step as generator_step
from ganaug.translation.steps import task_step as task_step
from ganaug.translation.ways import Way as Way
from ganaug.translation.ways import draw_noise as draw_noise
from ganaug.translation.ways import translate as translate
