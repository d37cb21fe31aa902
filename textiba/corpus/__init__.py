"""The corpus view: the scores of thousands of texts, by word and by part of speech, at each layer."""

from textiba.corpus.config import CorpusConfig
from textiba.corpus.run import CorpusSummary, corpus_view
from textiba.corpus.tally import KindRow, Source, Tally
from textiba.corpus.view import CorpusView

__all__ = ["CorpusConfig", "CorpusSummary", "CorpusView", "KindRow", "Source", "Tally", "corpus_view"]
