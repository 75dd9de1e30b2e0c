"""What the rows of a Milvus collection hold, and how they are indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from raqo.retrievers.index_settings import HnswSettings, IndexSettings, IvfSettings
from raqo.retrievers.milvus.rows import MOST_BYTES
from raqo.retrievers.vectors.ann_index import list_count

KEY = "key"
DOC_ID = "doc_id"
CONTENT = "content"
"""Words in one text, or a vector."""

_SCORED = "scored"
"""Term frequencies that Milvus makes of the words."""

MOST_LISTS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class WordLayout:
    """Texts under Milvus' BM25: ln(1 + (N - df + 0.5) / (df + 0.5)) * tf (k1 + 1) / (tf + k1 (1 - b + b |d| / avg)).

    Texts come as words already, lower-case and with spaces between, so that Milvus' tokenizer has nothing to decide.
    """

    k1: float
    b: float
    method: Literal["bm25"] = "bm25"

    @property
    def searched(self) -> str:
        """The field that queries are put to."""
        return _SCORED

    def arguments(self, client: Any) -> dict[str, Any]:
        """Of `create_collection`. One shard, as each scores by its own statistics."""
        from pymilvus import DataType, Function, FunctionType

        schema = _schema(client)
        analyzer = {"tokenizer": "standard"}
        schema.add_field(
            CONTENT, DataType.VARCHAR, max_length=MOST_BYTES, enable_analyzer=True, analyzer_params=analyzer
        )
        schema.add_field(_SCORED, DataType.SPARSE_FLOAT_VECTOR)
        schema.add_function(
            Function(
                name="bm25",
                function_type=FunctionType.BM25,
                input_field_names=[CONTENT],
                output_field_names=[_SCORED],
            )
        )
        parameters = {"bm25_k1": self.k1, "bm25_b": self.b}
        index = client.prepare_index_params()
        index.add_index(_SCORED, index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params={"params": parameters})
        return {"schema": schema, "index_params": index, "num_shards": 1, "consistency_level": "Strong"}

    def search_params(self, limit: int) -> dict[str, Any]:
        """Of `search`."""
        return {"metric_type": "BM25"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorLayout:
    """Unit vectors by inner product.

    Attributes:
        dimension: d.
        index: what finds candidates; None: every vector is compared.
        count: vectors of the gallery.
    """

    method: Literal["dense", "clip"]
    dimension: int
    index: IndexSettings | None
    count: int

    @property
    def searched(self) -> str:
        """The field that queries are put to."""
        return CONTENT

    def arguments(self, client: Any) -> dict[str, Any]:
        """Of `create_collection`."""
        from pymilvus import DataType

        schema = _schema(client)
        schema.add_field(CONTENT, DataType.FLOAT_VECTOR, dim=self.dimension)
        kind, parameters = self._index()
        index = client.prepare_index_params()
        index.add_index(CONTENT, index_type=kind, metric_type="IP", params={"params": parameters})
        return {"schema": schema, "index_params": index, "consistency_level": "Strong"}

    def search_params(self, limit: int) -> dict[str, Any]:
        """Of `search`."""
        match self.index:
            case IvfSettings(probes=probes):
                return {"metric_type": "IP", "params": {"nprobe": min(probes, self._lists())}}
            case HnswSettings(search_breadth=breadth):
                return {"metric_type": "IP", "params": {"ef": max(breadth, limit)}}
        return {"metric_type": "IP"}

    @property
    def build(self) -> str:
        """One line that tells apart indexes that must be built apart."""
        kind, parameters = self._index()
        return " ".join([kind, *(f"{name}={value}" for name, value in parameters.items())])

    @property
    def breadth(self) -> str:
        """One line that tells apart two searches in the same index."""
        match self.index:
            case IvfSettings(probes=probes):
                return f"probes={probes}"
            case HnswSettings(search_breadth=breadth):
                return f"breadth={breadth}"
        return ""

    def _index(self) -> tuple[str, dict[str, int]]:
        match self.index:
            case IvfSettings():
                return "IVF_FLAT", {"nlist": self._lists()}
            case HnswSettings(links=links, build_breadth=breadth):
                return "HNSW", {"M": links, "efConstruction": breadth}
        return "FLAT", {}

    def _lists(self) -> int:
        lists = self.index.lists if isinstance(self.index, IvfSettings) else None
        return min(list_count(lists, self.count), MOST_LISTS)


Layout = WordLayout | VectorLayout


def _schema(client: Any) -> Any:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(KEY, DataType.INT64, is_primary=True)
    schema.add_field(DOC_ID, DataType.VARCHAR, max_length=MOST_BYTES)
    return schema
