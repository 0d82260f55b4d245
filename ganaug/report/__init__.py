"""What a gain study found, for people and for programs: REPORT/{report.html, measure.json, figures/*.png}.

Everything here takes plain data (the dictionary of `measure.json`) and finished pictures, never a generator.
"""

from ganaug.report.findings import strict
from ganaug.report.page import write_report
from ganaug.report.pictures import Pictures
from ganaug.report.terminal import summary_table
from ganaug.report.verdict import sentence

__all__ = ["Pictures", "sentence", "strict", "summary_table", "write_report"]
