"""An embedding of LlamaIndex that counts words, and keeps what it was asked for."""

import time
from typing import Any

from keyword_router import WORDS
from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr


class WordEmbedding(BaseEmbedding):
    """Counts the words of `WORDS`; `texts` has each batch of texts, `queries` each query.

    With `instruction` a query is embedded as if that stood before it.
    """

    model_name: str = "words-3"
    instruction: str = ""
    delay: float = 0.0
    rows: Any = None
    fails: Exception | None = None

    _texts: list = PrivateAttr(default_factory=list)
    _queries: list = PrivateAttr(default_factory=list)

    @property
    def texts(self):
        return self._texts

    @property
    def queries(self):
        return self._queries

    def forget(self):
        self._texts.clear()
        self._queries.clear()

    def _row(self, text):
        return [text.lower().count(word) * 2.0 for word in WORDS]

    def _get_text_embeddings(self, texts):
        self._texts.append(list(texts))
        time.sleep(self.delay)
        if self.fails is not None:
            raise self.fails
        return [self._row(text) for text in texts] if self.rows is None else self.rows

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query):
        self._queries.append(query)
        return self._row(self.instruction + query)

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)
