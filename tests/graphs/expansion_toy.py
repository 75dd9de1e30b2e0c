"""A small corpus, questions about pictures, and doubles that record what they are told."""

from raqo.protocols import Expanded, Resolution, Resolved
from raqo.records import Document, Failure, FailureKind, Query
from raqo.retrievers.bm25.retriever import Bm25Retriever
from raqo.retrievers.settings import RetrieverSettings

PASSAGES = {
    "a-feline-life": "A feline lives for sixteen years.",
    "canine-life": "A canine lives for thirteen years.",
    "canine-food": "A canine likes to eat marrow bones.",
    "feline-food": "A feline likes to eat mice.",
    "canine-name": "The dictionary says that one more name for a dog would be canine.",
    "car-life": "An automobile lasts for ten years.",
    "dog-story": "A dog went to the market.",
    "animals": "Nobody knows the animal in the story.",
}
QUESTION = Query("q1", "How many years does this animal live?")
CAPTION = "a black dog in the snow"


def bm25(folder):
    documents = [Document(doc_id, text) for doc_id, text in PASSAGES.items()]
    return Bm25Retriever.build(RetrieverSettings(kind="bm25"), documents, index_dir=folder)


class DogResolver:
    """Resolves `QUESTION` and leaves every other question as it is; records what it is told."""

    def __init__(self):
        self.calls = []

    def resolve(self, queries, captions):
        self.calls.append((list(queries), list(captions)))
        return [self._one(query, caption) for query, caption in zip(queries, captions, strict=True)]

    def _one(self, query, caption):
        if "dog" not in caption:
            return Resolved(Resolution(query.text))
        return Resolved(Resolution("How many years does a dog live?", (("dog", 0.2),), ("animal", "this")))


class ScriptedExpander:
    """Gives its script's rows one after the other; a `Failure` among them is given as it is. Records its cases."""

    name, prompt_hash = "scripted", ""

    def __init__(self, *rounds):
        self.rounds, self.calls = list(rounds), []

    def expand(self, cases, *, n, temperature):
        answer = self.rounds[len(self.calls)] if len(self.calls) < len(self.rounds) else ()
        self.calls.append((list(cases), n, temperature))
        given = answer if isinstance(answer, Failure) else tuple(answer)
        return [Expanded(given) for _ in cases]


class CountingRetriever:
    """Counts the calls of a retriever."""

    def __init__(self, inner):
        self.inner, self.calls = inner, []
        self.fingerprint, self.size = inner.fingerprint, inner.size

    def search(self, queries, *, k):
        self.calls.append(("search", len(queries)))
        return self.inner.search(queries, k=k)

    def similarity(self, queries, doc_ids):
        self.calls.append(("similarity", len(queries)))
        return self.inner.similarity(queries, doc_ids)

    def fits(self, texts):
        return self.inner.fits(texts)


class ScriptedFeedback:
    """Scores an expansion by the words in it: *canine* and *lives* are good, everything else is a little bad."""

    def __call__(self, questions, queries, rankings):
        pairs = zip(questions, queries, strict=True)
        added = [query.text.removeprefix(question).split() for question, query in pairs]
        return [sum(1.0 if word in ("canine", "lives") else -0.1 for word in words) for words in added]


REFUSAL = Failure(FailureKind.REFUSED, "no", 0)
