"""Cog's predictor with the same model (coglet runs it)."""

from typing import List

from cog import BasePredictor, Input

from minilm import Embedder


class Predictor(BasePredictor):
    def setup(self):
        self.embedder = Embedder()

    def predict(self, text: str = Input(description="Text to embed")) -> List[float]:
        return self.embedder.embed(text)
