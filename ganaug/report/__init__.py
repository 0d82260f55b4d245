"""What a gain study found, for people and for programs: REPORT/{report.html, measure.json, figures/*.png}.

Everything here takes plain data (the dictionary of `measure.json`) and finished pictures, never a generator.
"""

from ganaug.report.findings import sentence, strict
from ganaug.report.page import require_new, write_report
from ganaug.report.pictures import Pictures
from ganaug.report.terminal import summary_table

__all__ = ["Pictures", "require_new", "sentence", "strict", "summary_table", "write_report"]
