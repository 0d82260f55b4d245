"""What `ganaug measure` does: a model or a corpus in, a measured answer and a report out."""

from ganaug.study.evidence import Evidence as Evidence
from ganaug.study.evidence import gather as gather
from ganaug.study.protocol import measure as measure
from ganaug.study.translation import measure_translation as measure_translation
