"""What is compared on the questions of a knowledge task: plain searches, the loop, and the loop without its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from raqo.graphs.expansion_settings import ExpansionSettings
from raqo.protocols import Expander
from raqo.records import Ranking
from raqo.workflows.knowledge.captions import describe
from raqo.workflows.knowledge.task import KnowledgeTask

BASELINE = "question + caption"
System = Callable[[], list[Ranking]]


def systems(task: KnowledgeTask) -> dict[str, System]:
    """The rows of the table in their order; with ``ablations``, also those of the paper's Table 2."""
    found = {**_searches(task), "loop": lambda: looped(task, task.captions)}
    return {**found, **_ablations(task)} if task.config.ablations else found


def looped(
    task: KnowledgeTask,
    captions: Sequence[str],
    *,
    settings: ExpansionSettings | None = None,
    expander: Expander | None = None,
    pictures: bool = True,
) -> list[Ranking]:
    """Run the loop on the test questions; without `pictures`, nobody is shown one."""
    asked = [question.query for question in task.data.test.questions]
    queries = asked if pictures else [replace(query, image=None) for query in asked]
    batches = task.expand(queries, captions, corpus=task.corpus, settings=settings, expander=expander)
    return [one.ranking for batch in batches for one in batch]


def _searches(task: KnowledgeTask) -> dict[str, System]:
    """What the loop has to beat; and, where the data know them, the questions in the corpus's own words."""
    questions = task.data.test.questions
    found: dict[str, System] = {
        "question only": lambda: task.search([one.query.text for one in questions]),
        BASELINE: lambda: task.search(
            [f"{one.query.text} {caption}".strip() for one, caption in zip(questions, task.captions, strict=True)]
        ),
    }
    if any(task.captions):
        found["caption only"] = lambda: task.search(task.captions)
    if all(one.reference for one in questions):
        name = "oracle: object named in the corpus's words"
        found[name] = lambda: task.search([one.reference for one in questions])
    return found


def _ablations(task: KnowledgeTask) -> dict[str, System]:
    """The loop's fusion by ranks, and the loop without its parts."""
    settings, captions = task.config.expansion, task.captions
    unexpanded = replace(settings, weights=replace(settings.weights, expansion=0.0), max_rounds=0)
    found: dict[str, System] = {
        "loop, reciprocal rank fusion": lambda: looped(task, captions, settings=replace(settings, fusion="rrf")),
        "loop without optimisation": lambda: looped(task, captions, settings=replace(settings, max_rounds=0)),
        "loop without picture": lambda: looped(task, [""] * len(captions), pictures=False),
        "loop without expansion": lambda: looped(task, captions, settings=unexpanded),
    }
    if task.data.settings.keywords and any(one.caption for one in task.data.test.questions):
        found["loop without caption (keywords from the picture)"] = lambda: looped(task, _keywords(task))
    return found


def _keywords(task: KnowledgeTask) -> list[str]:
    """Keywords of the pictures, in the place of the captions that the data have."""
    pictures = [question.query.image or "" for question in task.data.test.questions]
    wanted = list(dict.fromkeys(filter(None, pictures)))
    if task.keywords is None or not wanted:
        return [""] * len(pictures)
    named = describe(wanted, task.keywords, max_failure_rate=task.config.mining.max_failure_rate)
    return [named.get(picture, "") for picture in pictures]
