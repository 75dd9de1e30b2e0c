"""What is searched, and the live parts that read all of it, each built when needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from raqo.graphs.expansion_scores import Agreement
from raqo.protocols import Expander, Retriever
from raqo.records import Document, Ranking
from raqo.workflows.knowledge.passage_file import PassageFile
from raqo.workflows.parts import Parts
from raqo.workflows.progress import say

# Characters of a passage that a sentence encoder is given: more than any reads, and tokenizers split all they get.
READ = 100_000
# Beside the passages of a file: how often their words occur.
WORDS = "words.json"


@dataclass
class Corpus:
    """The documents of a gallery; those of a `PassageFile` stay on disk.

    Attributes:
        parts: of the run.
        documents: passages, or pictures where no question is asked of them.
        data_set: the one of the section ``data`` that they are the documents of, if any: what a bad picture does is its
            setting.
    """

    parts: Parts
    documents: Sequence[Document]
    data_set: str | None = None

    @cached_property
    def retriever(self) -> Retriever:
        """Over the documents."""
        if isinstance(self.documents, PassageFile):
            return self.documents.stored.retriever
        if self.data_set is not None:
            return self.parts.searchable(self.data_set)[1]
        return self.parts.gallery(self.documents)

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """Passages by id."""
        if isinstance(self.documents, PassageFile):
            return self.documents.stored.texts
        return {document.doc_id: document.text or "" for document in self.documents}

    def found(self, ranking: Ranking) -> list[Document]:
        """The documents of a ranking, in its order."""
        if isinstance(self.documents, PassageFile):
            return [Document(hit.doc_id, text=self.texts[hit.doc_id]) for hit in ranking.hits]
        wanted = {hit.doc_id for hit in ranking.hits}
        by_id = {document.doc_id: document for document in self.documents if document.doc_id in wanted}
        return [by_id[hit.doc_id] for hit in ranking.hits]

    @cached_property
    def expander(self) -> Expander:
        """The expander that needs no language model."""
        from raqo.agents.corpus_words import count_words, kept_words
        from raqo.agents.feedback_expander import FeedbackExpander

        say("knowledge: encoding the words of the passages")
        if isinstance(self.documents, PassageFile):
            folder = self.documents.stored.texts.folder
            words = kept_words(folder / WORDS, self.texts.values(), fingerprint=folder.name)
        else:
            words = count_words(self.texts.values())
        return FeedbackExpander(words, self.parts.text_encoder, settings=self.parts.config.feedback)

    @cached_property
    def agreement(self) -> Agreement:
        """Scores expansions without ground truth."""
        return Agreement(self.parts.text_encoder, _Openings(self.texts), depth=self.parts.config.expansion.score_depth)


class _Openings(Mapping[str, str]):
    """What a sentence encoder is given of each passage."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, doc_id: str) -> str:
        return self._texts[doc_id][:READ]

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)
