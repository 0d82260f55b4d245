"""Generators and translators that are loaded and served."""

from ganaug.synthesis.card import Architecture as Architecture
from ganaug.synthesis.synthesizer import Synthesizer as Synthesizer
from ganaug.synthesis.synthesizer import generator_folder as generator_folder
from ganaug.synthesis.synthesizer import is_model as is_model
from ganaug.synthesis.translator import Translator as Translator
from ganaug.synthesis.translator import translator_folder as translator_folder
