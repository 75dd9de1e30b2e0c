"""Who reviews and who perturbs: the lexicon, or a chat model under a budget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from raqo.agents.chat.ledger import Ledger
from raqo.agents.lexical import LexicalPerturber, LexicalReviewer
from raqo.agents.lexicon import Lexicon, lexicon_from_json, lexicon_json
from raqo.agents.perturber import ChatPerturber
from raqo.agents.reviewer import ChatReviewer, ReviewerSettings
from raqo.config import RunConfig
from raqo.errors import ConfigError, message
from raqo.files import write_json
from raqo.protocols import Chat, Perturber, Retriever, Reviewer
from raqo.records import RetrievalDataset
from raqo.retrievers.bm25.stored_passages import documents_by_id
from raqo.workflows.interrupts import first_interrupt_stops
from raqo.workflows.parts import Parts
from raqo.workflows.progress import late_bar, say
from raqo.workflows.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class PaidChat:
    """A chat model, and the book in which its calls are written down.

    Attributes:
        priced: whether the price of the model is known.
    """

    chat: Chat
    ledger: Ledger
    priced: bool

    @property
    def spent(self) -> float | None:
        """Money over all starts of the run, what killed calls may have cost included; ``None`` without a price."""
        return self.ledger.spent if self.priced else None


@contextmanager
def opened_chat(parts: Parts, folder: RunFolder, *, budget: float | None, cached: bool) -> Iterator[PaidChat | None]:
    """`paid_chat` where a chat model reviews, else ``None``."""
    if parts.config.reviewer != "chat":
        yield None
        return
    with paid_chat(parts, folder, budget=budget, cached=cached) as paid:
        yield paid


@contextmanager
def paid_chat(parts: Parts, folder: RunFolder, *, budget: float | None, cached: bool) -> Iterator[PaidChat]:
    """The chat model of a run; until the end of the context the first Ctrl-C stops its calls.

    Args:
        parts: of the run.
        folder: holds the ledger, which counts over all starts of a run.
        budget: the most money that may be spent; ``None`` for no limit.
        cached: take answers from the cache of all runs, and keep them there.
    """
    ledger = Ledger(folder.spending, budget=budget)
    try:
        chat = parts.chat(ledger=ledger, cached=cached)
        with first_interrupt_stops(chat.stop):
            yield PaidChat(chat, ledger, priced=bool(parts.config.chat and parts.config.chat.price))
    finally:
        ledger.close()


def chat_teachers(config: RunConfig, dataset: RetrievalDataset, chat: Chat) -> tuple[Reviewer, Perturber]:
    """Reviewer and perturber that ask a chat model.

    Raises:
        ConfigError: the model reads no images, and the documents are images.
    """
    if not chat.reads_images and any(document.image for document in dataset.documents):
        problem = f"{chat.model} reads no images, and documents of {dataset.name} are images"
        raise ConfigError(message("chat", problem, "name a model that reads images, or mine a gallery of texts"))
    settings = review_settings(config)
    documents = documents_by_id(dataset.documents)
    reviewer = ChatReviewer(chat=chat, documents=documents, settings=settings)
    return reviewer, ChatPerturber(chat, temperature=settings.temperature, seed=settings.seed)


def review_settings(config: RunConfig) -> ReviewerSettings:
    """How the chat model is asked; the seed is the run's."""
    return replace(config.review, seed=config.seed)


def lexical_teachers(
    parts: Parts, folder: RunFolder, retriever: Retriever, dataset: RetrievalDataset, inputs: str
) -> tuple[Reviewer, Perturber]:
    """Reviewer and perturber that follow the run's lexicon, which is learnt where it is not there."""
    lexicon = read_lexicon(folder.lexicon, inputs)
    if lexicon is None:
        say("mine: asking the retriever what it prefers to be told, phrase by phrase")
        with late_bar("lexicon 1/2", "trials") as first, late_bar("lexicon 2/2", "trials") as second:
            moves = {1: first, 2: second}
            lexicon = parts.lexicon(retriever, dataset, progress=lambda stage, *counts: moves[stage](*counts))
        write_json(folder.lexicon, {"inputs": inputs, **lexicon_json(lexicon)})
        found = f"{len(lexicon.preferences)} of {len(lexicon.phrases)} phrases are better said otherwise"
        say(f"mine: {found} ({folder.lexicon.name})")
    return LexicalReviewer(lexicon), LexicalPerturber(lexicon)


def read_lexicon(path: Path, inputs: str) -> Lexicon | None:
    """The run's own lexicon, where it was learnt under the same conditions."""
    if not path.is_file():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    return lexicon_from_json(values) if values["inputs"] == inputs else None
