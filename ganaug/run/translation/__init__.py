"""Two domains in, a run folder with a translator out."""

from ganaug.run.translation.fit import fit_translation as fit_translation
from ganaug.run.translation.fit import translate_as as translate_as
from ganaug.run.translation.planning import TranslationPlan as TranslationPlan
from ganaug.run.translation.planning import plan_translation as plan_translation
