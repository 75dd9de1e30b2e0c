from pathlib import Path
from typing import Any

import pytest

from raqo.errors import DataError
from raqo.preference_data.sources import SourceSettings, load_dataset, load_with_report


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Four rows, two different pictures, as a table with an image column."""
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf_cache")
    pictures = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    rows = {"image": [pictures[i] for i in (0, 1, 0, 0)], "caption": ["a", "b", "c", ""], "n": [1, 2, 3, 4]}
    return datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())


def settings(path: Path, cache: Path, **options: Any) -> SourceSettings:
    return SourceSettings(path=str(path), cache=str(cache), **options)


@pytest.mark.parametrize("kind", ["dataset", "dict", "parquet"])
def test_carried_images_are_written_once(table: Any, tmp_path: Path, kind: str) -> None:
    import datasets
    from PIL import Image

    path, cache = tmp_path / "data", tmp_path / "cache"
    if kind == "dataset":
        table.save_to_disk(path)
    elif kind == "dict":
        datasets.DatasetDict({"train": table, "test": table}).save_to_disk(path)
    else:
        path.mkdir()
        table.to_parquet(path / "train-00000.parquet")
    with pytest.raises(DataError, match="row 3: the caption is empty"):
        load_dataset(settings(path, cache))
    dataset, report = load_with_report(settings(path, cache, on_error="skip"))
    assert report.skipped == {"empty text": 1}
    assert [query.text for query in dataset.queries] == ["a", "c", "b"]
    files = sorted(cache.iterdir())
    assert sorted(str(document.image) for document in dataset.documents) == [str(file) for file in files]
    assert {Image.open(file).getpixel((0, 0)) for file in files} == {(255, 0, 0), (0, 0, 255)}
    times = [file.stat().st_mtime_ns for file in files]
    assert load_dataset(settings(path, cache, on_error="skip")) == dataset
    assert [file.stat().st_mtime_ns for file in files] == times


def test_wrong_columns_splits_and_names(table: Any, tmp_path: Path) -> None:
    import datasets

    datasets.DatasetDict({"train": table}).save_to_disk(tmp_path / "data")
    with pytest.raises(DataError, match=r"no column 'captions' \(did you mean 'caption'\?\)"):
        load_dataset(settings(tmp_path / "data", tmp_path, caption_column="captions"))
    with pytest.raises(DataError, match=r"no split 'val'; there are train"):
        load_dataset(settings(tmp_path / "data", tmp_path, split="val"))


def test_paths_and_lists_of_captions(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    rows = {"file": ["a.png", "../x.png", "a.png"], "texts": [["one", "two"], ["three"], ["one"]]}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "data")
    options = {"images": str(tmp_path / "images"), "image_column": "file", "caption_column": "texts"}
    dataset, report = load_with_report(settings(tmp_path / "data", tmp_path, on_error="skip", **options))
    assert [query.query_id for query in dataset.queries] == ["a.png#0", "a.png#1"]
    assert report.skipped == {"image outside the image folder": 1, "duplicate id": 1}


@pytest.mark.parametrize("described", ["jsonl", "csv"])
def test_an_imagefolder_is_recognised_and_its_ids_hold_no_path_of_the_machine(
    table: Any, tmp_path: Path, described: str
) -> None:
    from PIL import Image

    for split, colours in (("train", ("red", "blue")), ("test", ("green",))):
        folder = tmp_path / "pictures" / split
        folder.mkdir(parents=True)
        for colour in colours:
            Image.new("RGB", (4, 4), colour).save(folder / f"{colour}.png")
        lines = {
            "jsonl": [f'{{"file_name": "{colour}.png", "caption": "a {colour} thing"}}' for colour in colours],
            "csv": ["file_name,caption", *(f"{colour}.png,a {colour} thing" for colour in colours)],
        }[described]
        (folder / f"metadata.{described}").write_text("\n".join(lines) + "\n")
    dataset = load_dataset(settings(tmp_path / "pictures", tmp_path / "cache"))
    assert {query.text: dataset.targets[query.query_id] for query in dataset.queries} == {
        "a red thing": ("train/red.png",),
        "a blue thing": ("train/blue.png",),
    }
    assert [query.text for query in load_dataset(settings(tmp_path / "pictures", tmp_path, split="test")).queries] == [
        "a green thing"
    ]
    with pytest.raises(DataError, match="its split"):
        load_dataset(settings(tmp_path / "pictures", tmp_path, split="val"))
