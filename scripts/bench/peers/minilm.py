"""MiniLM in Python on the very file that mrun packs: what every Python peer runs. MRUN_BENCH_MODEL names its folder."""

import os
import pathlib


class Embedder:
    def __init__(self):
        import torch
        from tokenizers import Tokenizer

        folder = pathlib.Path(os.environ["MRUN_BENCH_MODEL"])
        self.torch = torch
        torch.set_num_threads(int(os.environ.get("MRUN_BENCH_THREADS", os.cpu_count())))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self.graph = torch.export.load(str(folder / "model.pt2")).module()

    def embed(self, text):
        """The text's embedding: a list of 384 floats of unit length."""
        torch = self.torch
        tokens = self.tokenizer.encode(text)
        ids = torch.tensor([tokens.ids])
        mask = torch.tensor([tokens.attention_mask])
        with torch.inference_mode():
            hidden = self.graph(ids, mask)
            hidden = hidden["last_hidden_state"] if isinstance(hidden, dict) else hidden
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(pooled, dim=1)[0].tolist()


if __name__ == "__main__":
    print(Embedder().embed("A man is eating food.")[:4])
