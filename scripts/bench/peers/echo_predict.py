"""Cog's predictor that returns its input: coglet's own share of a request."""

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, text: str = Input(description="Text to return")) -> str:
        return text
