"""M2KR's Parquet files: questions with their right passages, and passages (E-VQA, InfoSeek and others)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raqo.errors import DataError, message
from raqo.preference_data.sources.answers import identified, picture, votes
from raqo.preference_data.sources.knowledge_settings import KnowledgeSettings
from raqo.preference_data.sources.problems import Problems, Reason
from raqo.records import Document, Query, Question


def questions(settings: KnowledgeSettings, problems: Problems) -> Iterator[Question]:
    """Read ``question_id, question, img_path, pos_item_ids, answers``, e.g. of ``EVQA_data/test-*.parquet``."""
    for where, row in _rows(Path(settings.questions or ""), settings.split):
        found = identified(row, ("question_id", "question", "img_path"), where, problems)
        answers = votes(row.get("answers"), where, problems) if found else None
        if found is None or answers is None:
            continue
        targets = row.get("pos_item_ids") or []
        if not all(isinstance(target, str) for target in targets):
            problems.add(Reason.MALFORMED, where, "pos_item_ids are no texts", "fetch the file again")
            continue
        usable, path = picture(settings.images, (found[2],), where, problems)
        if usable:
            yield Question(Query(found[0], found[1], path), answers, targets=tuple(dict.fromkeys(targets)))


def passages(path: Path, split: str, problems: Problems) -> Iterator[Document]:
    """Read ``passage_id, passage_content``, e.g. of ``EVQA_passages/test_passages-*.parquet``."""
    for where, row in _rows(path, f"{split}_passages"):
        if found := identified(row, ("passage_id", "passage_content"), where, problems):
            yield Document(found[0], text=found[1])


def _rows(path: Path, part: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield place and content of each row of a Parquet file, or of the files of one part in a folder, as a stream."""
    import datasets

    files = [path] if path.is_file() else sorted(path.glob(f"{part}-*.parquet"))
    if not files:
        parts = sorted({file.name.split("-")[0] for file in path.glob("*.parquet")})
        problem = f"no file {part}-*.parquet; there are {', '.join(parts) or 'no Parquet files'}"
        raise DataError(message(str(path), problem, "correct the path or the split"))
    for file in files:
        try:
            table = datasets.load_dataset("parquet", data_files=[str(file)], split="train", streaming=True)
            for index, row in enumerate(table):
                yield f"{file}: row {index}", row
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise DataError(message(str(file), f"cannot be read as Parquet ({error})", "fetch it again")) from error
