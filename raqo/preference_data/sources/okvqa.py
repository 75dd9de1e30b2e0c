"""OK-VQA's questions in the four files people have: official, Luo's reader and retriever files, Qu's pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from raqo.errors import DataError, message
from raqo.preference_data.sources.answers import identified, picture, votes
from raqo.preference_data.sources.files import read_json, read_jsonl
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.records import Query, Question

# Luo's DPR prefixes the ids of the Google corpus; the corpus itself does not.
ID_PREFIX = "google:"


def questions(settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    """Read the questions; the format is told by the file.

    - official: ``{"questions": [...]}`` with `settings.annotations`; answers raw and stemmed with their votes;
    - Luo's reader: a list of ``sent, question_id, label, img_id``;
    - Luo's retriever: a list of ``question, question_id, img_id, answers, ctxs``, the caption taken off the question;
    - Qu's pairs: JSONL of ``question, question_id, image_id, answers, pos_passage``.

    Raises:
        DataError: none of these.
    """
    path = Path(settings.questions or "")
    if path.name.removesuffix(".gz").endswith((".txt", ".jsonl")):
        yield from _pairs(path, settings, problems)
        return
    content = read_json(path)
    if isinstance(content, dict) and isinstance(content.get("questions"), list):
        yield from _official(path, content["questions"], settings, problems)
    elif isinstance(content, list) and content and isinstance(content[0], dict) and "label" in content[0]:
        yield from _listed(path, content, settings, problems, text="sent", answers="label")
    elif isinstance(content, list):
        yield from _listed(path, content, settings, problems, text="question", answers="answers")
    else:
        fix = "give OK-VQA's question file, or a list of questions with answers"
        raise DataError(message(str(path), "neither a list nor an object with a list 'questions'", fix))


def coco_names(image: str) -> tuple[str, str]:
    """File names of a COCO picture ``COCO_val2014_000000000042``: beside the others, or in a folder of its split."""
    return f"{image}.jpg", f"{image.removeprefix('COCO_').split('_')[0]}/{image}.jpg"


def coco_id(number: str, split: str) -> str:
    """COCO's name for picture `number`; OK-VQA asks its val and test questions about pictures of val2014."""
    return f"COCO_{'train' if split == 'train' else 'val'}2014_{number.zfill(12)}"


def listed_question(
    row: Any, where: str, problems: Problems, *, text: str = "question", answers: str = "answers"
) -> Question | None:
    """A question of Luo's files, without picture; its targets are the ids in ``ctxs``. None (noted) if it is bad."""
    found = identified(row, (text, "question_id"), where, problems)
    counted = votes(row.get(answers), where, problems) if found else None
    if found is None or counted is None:
        return None
    caption = " ".join(str(row.get("caption") or "").split())
    contexts = row["ctxs"] if isinstance(row.get("ctxs"), list) else []
    ids = [str(one["id"]).removeprefix(ID_PREFIX) for one in contexts if isinstance(one, dict) and "id" in one]
    asked = found[0].replace(caption, "").strip() if caption else found[0]
    return Question(Query(found[1], asked), counted, targets=tuple(dict.fromkeys(ids)), caption=caption)


def _listed(
    path: Path, rows: list[Any], settings: KnowledgeSettings, problems: Problems, *, text: str, answers: str
) -> Iterator[Question]:
    for index, row in enumerate(rows):
        where = f"{path}: [{index}]"
        question = listed_question(row, where, problems, text=text, answers=answers)
        image = identified(row, ("img_id",), where, problems) if question else None
        if question and image:
            yield from _with_picture(question, image[0], where, settings, problems)


def _official(path: Path, rows: list[Any], settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    if not settings.annotations:
        fix = "set annotations to mscoco_<split>2014_annotations.json"
        raise DataError(message(str(path), "holds questions without answers", fix))
    answers = _annotations(Path(settings.annotations), problems)
    for index, row in enumerate(rows):
        where = f"{path}: questions[{index}]"
        found = identified(row, ("question", "question_id", "image_id"), where, problems)
        if found is None:
            continue
        text, question_id, image = found
        if question_id not in answers:
            problems.add(Reason.NO_TARGET, where, f"question {question_id} is not annotated", "check annotations")
            continue
        raw, stemmed = answers[question_id]
        question = Question(Query(question_id, text), raw, stemmed)
        yield from _with_picture(question, coco_id(image, settings.split), where, settings, problems)


def _annotations(path: Path, problems: Problems) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """Question id -> votes of the raw and of the stemmed answers."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise DataError(message(str(path), "no list 'annotations'", "give OK-VQA's annotation file"))
    found = {}
    for index, row in enumerate(content["annotations"]):
        where = f"{path}: annotations[{index}]"
        named = identified(row, ("question_id",), where, problems)
        given = row.get("answers") if named else None
        if named is None or not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            if named:
                problems.add(Reason.MALFORMED, where, "no list of answers", "fetch the file again")
            continue
        raw = votes([one.get("raw_answer") for one in given], where, problems)
        stemmed = votes([one.get("answer") for one in given], where, problems) if raw else None
        if raw and stemmed:
            found[named[0]] = (raw, stemmed)
    return found


def _pairs(path: Path, settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    """Qu's training pairs; the passage paired with a question is its target where the file gives an id."""
    for where, row in read_jsonl(path, problems):
        found = identified(row, ("question", "question_id", "image_id"), where, problems)
        counted = votes(row.get("answers"), where, problems) if found else None
        if found is None or counted is None:
            continue
        paired = row.get("pos_passage")
        targets = (str(paired["passage_id"]),) if isinstance(paired, dict) and paired.get("passage_id") else ()
        question = Question(Query(found[1], found[0]), counted, targets=targets)
        yield from _with_picture(question, coco_id(found[2], settings.split), where, settings, problems)


def _with_picture(
    question: Question, image: str, where: str, settings: KnowledgeSettings, problems: Problems
) -> Iterator[Question]:
    usable, path = picture(settings.images, coco_names(image), where, problems)
    if usable:
        yield replace(question, query=replace(question.query, image=path))
