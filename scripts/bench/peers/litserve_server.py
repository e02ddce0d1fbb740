"""LitServe with the same model, one worker, on a loopback port given as argument."""

import sys

import litserve

from minilm import Embedder


class MiniLm(litserve.LitAPI):
    def setup(self, device):
        self.embedder = Embedder()

    def decode_request(self, request):
        return request["text"]

    def predict(self, text):
        return self.embedder.embed(text)

    def encode_response(self, output):
        return {"output": output}


if __name__ == "__main__":
    litserve.LitServer(MiniLm(), accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error")
