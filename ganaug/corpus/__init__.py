"""Corpora: folders of labelled synthetic images that say where they come from and can be verified."""

from ganaug.corpus.check import check_corpus as check_corpus
from ganaug.corpus.counts import balance_counts as balance_counts
from ganaug.corpus.counts import read_counts as read_counts
from ganaug.corpus.counts import spread as spread
from ganaug.corpus.layout import directory_names as directory_names
from ganaug.corpus.translated import write_translations as write_translations
from ganaug.corpus.writer import write_corpus as write_corpus
