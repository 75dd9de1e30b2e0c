"""One gallery in Milvus: a collection that is whole or absent, and the few calls that retrievers make."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from raqo.errors import DataError, RunFolderError, message
from raqo.protocols import FloatArray
from raqo.retrievers.milvus.connection import asking, connect, disconnect
from raqo.retrievers.milvus.layout import CONTENT, DOC_ID, KEY, Layout
from raqo.retrievers.milvus.rows import Row, insertions, key_of, read_id, stored_id
from raqo.retrievers.milvus.settings import MilvusSettings

logger = logging.getLogger(__name__)

KEYS_AT_ONCE = 256


class MilvusCollection:
    """A connection to one gallery.

    Args:
        settings: where it lies.
        fingerprint: names the collection, so that galleries and models never mix.
        layout: of its rows.
    """

    def __init__(self, settings: MilvusSettings, *, fingerprint: str, layout: Layout) -> None:
        self.name = f"raqo_{layout.method}_{fingerprint}"
        self._settings = settings
        self._layout = layout
        self._client = connect(settings)

    def close(self) -> None:
        """Disconnect; the embedded engine is shut down, for every user of its folder in this process."""
        disconnect(self._client, self._settings)

    def is_whole(self, count: int) -> bool:
        """Whether the collection is there with so many rows; if so, it is made ready for searches."""
        with asking(self._settings):
            if not self._client.has_collection(self.name, timeout=self._settings.timeout):
                return False
            self._load()
            found = self._count(self.name)
        if found != count:
            logger.warning("%s has %d rows instead of %d. Building it anew.", self.name, found, count)
        return found == count

    def fill(self, rows: Iterable[Row], count: int) -> None:
        """Write all rows to a collection of another name, and give it its own when it is whole.

        What is there under its name is replaced, and what builds that were killed left behind is dropped. Of two
        processes that fill the same collection at once, one fails.

        Raises:
            RunFolderError: Milvus refused something, or not all rows arrived.
        """
        new = f"{self.name}_new_{secrets.token_hex(4)}"
        client, timeout = self._client, self._settings.timeout
        with asking(self._settings):
            self._drop_leftovers()
            client.create_collection(new, timeout=timeout, **self._layout.arguments(client))
        with tqdm(total=count, desc="writing to Milvus", unit="doc", disable=None) as bar:
            for group in insertions(rows, most_rows=self._settings.rows_at_once):
                data = [{KEY: key_of(row.doc_id), DOC_ID: stored_id(row.doc_id), CONTENT: row.content} for row in group]
                with asking(self._settings):
                    client.insert(new, data, timeout=timeout)
                bar.update(len(group))
        with asking(self._settings):
            client.flush(new, timeout=timeout)
            arrived = self._count(new)
            if arrived != count:
                client.drop_collection(new, timeout=timeout)
                problem = f"{arrived} of {count} documents arrived in {new}"
                fix = "start again; only one process may build a gallery at a time"
                raise RunFolderError(message(self._settings.url, problem, fix))
            client.drop_collection(self.name, timeout=timeout)
            client.rename_collection(new, self.name, timeout=timeout)
            self._load()

    def search(self, asked: Sequence[Any], *, limit: int, keys: Sequence[int] = ()) -> list[list[tuple[str, float]]]:
        """Ids and scores of the best documents of each query, best first; `keys` are the only ones looked at, if any.

        Scores are positive for bm25, whatever sign the engine gives them: milvus-lite gives negative ones.
        """
        found = self._search(asked, limit, keys, [DOC_ID])
        return [[(read_id(hit["entity"][DOC_ID]), abs(hit["distance"])) for hit in hits] for hits in found]

    def search_vectors(self, asked: FloatArray, *, limit: int) -> list[tuple[list[str], FloatArray]]:
        """Ids and vectors (m, d) of the documents nearest to each query vector of (n, d)."""
        results = []
        for hits in self._search(list(asked), limit, (), [DOC_ID, CONTENT]):
            ids = [read_id(hit["entity"][DOC_ID]) for hit in hits]
            vectors = np.array([hit["entity"][CONTENT] for hit in hits], dtype=np.float32)
            results.append((ids, vectors.reshape(len(ids), asked.shape[1])))
        return results

    def vectors(self, doc_ids: Sequence[str], dimension: int) -> FloatArray:
        """Vectors of documents: (n, d).

        Raises:
            DataError: a document is not in the gallery.
        """
        rows = self._rows(doc_ids, [DOC_ID, CONTENT])
        return np.array([rows[doc_id][CONTENT] for doc_id in doc_ids], dtype=np.float32).reshape(-1, dimension)

    def require(self, doc_ids: Sequence[str]) -> None:
        """Check that documents are there.

        Raises:
            DataError: one is not in the gallery.
        """
        self._rows(doc_ids, [DOC_ID])

    def _search(self, asked: Sequence[Any], limit: int, keys: Sequence[int], output: list[str]) -> Any:
        # the filter holds whole numbers only; texts of queries and documents never get into an expression
        only = {"filter": f"{KEY} in {[int(key) for key in keys]}"} if keys else {}
        with asking(self._settings):
            return self._client.search(
                self.name,
                data=list(asked),
                anns_field=self._layout.searched,
                limit=limit,
                output_fields=output,
                search_params=self._layout.search_params(limit),
                timeout=self._settings.timeout,
                **only,
            )

    def _rows(self, doc_ids: Sequence[str], output: list[str]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        wanted = list(dict.fromkeys(doc_ids))
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            keys = [key_of(doc_id) for doc_id in wanted[start : start + KEYS_AT_ONCE]]
            with asking(self._settings):
                found = self._client.get(self.name, ids=keys, output_fields=output, timeout=self._settings.timeout)
            rows.update((read_id(row[DOC_ID]), row) for row in found)
        missing = next((doc_id for doc_id in wanted if doc_id not in rows), None)
        if missing is not None:
            problem, fix = f"not in the gallery {self.name}", "ask for documents of the gallery only"
            raise DataError(message(f"document {missing!r}", problem, fix))
        return rows

    def _count(self, name: str) -> int:
        timeout = self._settings.timeout
        found = self._client.query(name, filter="", output_fields=["count(*)"], timeout=timeout)
        return int(found[0]["count(*)"])

    def _load(self) -> None:
        self._client.load_collection(self.name, timeout=self._settings.timeout)

    def _drop_leftovers(self) -> None:
        timeout = self._settings.timeout
        for name in self._client.list_collections(timeout=timeout):
            if name.startswith(f"{self.name}_new_"):
                logger.warning("dropping %s, which was never finished", name)
                self._client.drop_collection(name, timeout=timeout)
