"""Calls that kernels of LibTorch would follow beyond their tensors, as TorchScript files: the engine must refuse each with
words of argument_checks.cpp. `x` is a tensor of one zero; it keeps the calls from being made while the file is loaded."""

import importlib.util
import json

import torch

OPS = "torch.ops.aten"


def z(*shape):
    return f"(torch.zeros([{', '.join(map(str, shape))}]) + x)"


def ints(*values):
    return f"(torch.tensor([{', '.join(map(str, values))}]) + x.to(torch.int64))"


BATCH = f"{z(2, 30000)}, None, None"
LSTM = f"{z(16, 3)}, {z(16, 4)}, {z(16)}, {z(16)}"
LSTM_END = "False, [], 2, 4, 1, True, False, False, False"
# Name of the file: the operator's arguments, and what is said. The operator is the name before the first `-`.
MISFITS = {
    "native_batch_norm-weight": (f"native_batch_norm({z(2, 30000)}, {z(1)}, None, None, None, True, 0.1, 1e-5)[0]", "`weight` has 1 elements"),
    "native_batch_norm-nothing": (f"native_batch_norm({BATCH}, None, None, False, 0.1, 1e-5)[0]", "takes running_mean and running_var"),
    "_native_batch_norm_legit-var": (f"_native_batch_norm_legit({BATCH}, {z(30000)}, {z(2)}, False, 0.1, 1e-5)[0]", "`running_var` has 2 elements"),
    "_native_batch_norm_legit_no_training-mean": (
        f"_native_batch_norm_legit_no_training({BATCH}, {z(0)}, {z(30000)}, 0.1, 1e-5)[0]", "`running_mean` has 0 elements"),
    "_batch_norm_no_update-mean": (f"_batch_norm_no_update({BATCH}, {z(0)}, {z(30000)}, 0.1, 1e-5)[0]", "`running_mean` has 0 elements"),
    "_batch_norm_with_update-var": (f"_batch_norm_with_update({BATCH}, {z(30000)}, {z(1)}, 0.1, 1e-5)[0]", "`running_var` has 1 elements"),
    "batch_norm_update_stats-mean": (f"batch_norm_update_stats({z(2, 30000)}, {z(0)}, {z(30000)}, 0.1)[0]", "`running_mean` has 0 elements"),
    "_weight_norm_interface-g": (f"_weight_norm_interface({z(30000, 4)}, {z(1, 1)}, 0)[0]", "`g` has 1 elements"),
    "native_layer_norm_backward-mean": (
        f"native_layer_norm_backward({z(900, 4)}, {z(900, 4)}, [4], {z(1)}, {z(1)}, None, None, [True, False, False])[0]", "`mean` has 1 elements"),
    "_embedding_bag-offset": (f"_embedding_bag({z(3, 2)}, {ints(1, 1)}, {ints(0, -100000000)})[0]", "offsets must grow"),
    "_embedding_bag_forward_only-offset": (f"_embedding_bag_forward_only({z(3, 2)}, {ints(1, 1)}, {ints(0, 3)})[0]", "at most 2"),
    "embedding_bag-inner": (f"embedding_bag({z(3, 2)}, {ints(1, 1)}, {ints(0, -100000000)})[0]", "offsets must grow"),
    "_scaled_dot_product_flash_attention_for_cpu-heads": (
        f"_scaled_dot_product_flash_attention_for_cpu({z(4, 64, 8, 16)}, {z(1, 1, 8, 16)}, {z(1, 1, 8, 16)})[0]", "query has shape [4, 64, 8, 16]"),
    "_scaled_dot_product_flash_attention_for_cpu-value": (
        f"_scaled_dot_product_flash_attention_for_cpu({z(1, 1, 8, 16)}, {z(1, 1, 8, 16)}, {z(1, 1, 1, 16)})[0]", "value [1, 1, 1, 16]"),
    "_scaled_dot_product_flash_attention_for_cpu-mask": (
        f"_scaled_dot_product_flash_attention_for_cpu({z(1, 1, 8, 16)}, {z(1, 1, 8, 16)}, {z(1, 1, 8, 16)}, 0.0, False, attn_mask={z(8, 3)})[0]",
        "the mask has shape [8, 3]"),
    "_transform_bias_rescale_qkv-bias": (f"_transform_bias_rescale_qkv({z(2, 3, 24)}, {z(12)}, 2)[0]", "qkv_bias [12]"),
    "_native_multi_head_attention-heads": (
        f"_native_multi_head_attention({z(2, 3, 8)}, {z(2, 3, 8)}, {z(2, 3, 8)}, 8, 0, {z(24, 8)}, {z(24)}, {z(8, 8)}, {z(8)})[0]", "`num_head` is 0"),
    "_transformer_encoder_layer_fwd-heads": (
        f"_transformer_encoder_layer_fwd({z(2, 3, 8)}, 8, 0, {z(24, 8)}, {z(24)}, {z(8, 8)}, {z(8)}, False, False, 1e-5, {z(8)}, {z(8)}, {z(8)}, "
        f"{z(8)}, {z(16, 8)}, {z(16)}, {z(8, 16)}, {z(8)})", "`num_heads` is 0"),
    "mkldnn_rnn_layer-weight": (
        f"mkldnn_rnn_layer({z(5, 2, 3)}, {z(1, 3)}, {z(16, 4)}, {z(16)}, {z(16)}, {z(2, 4)}, {z(2, 4)}, {LSTM_END})[0]", "`weight0` does not have shape"),
    "mkldnn_rnn_layer-state": (f"mkldnn_rnn_layer({z(5, 2, 3)}, {LSTM}, {z(1, 1)}, {z(2, 4)}, {LSTM_END})[0]", "`hx_` has 1 elements"),
    "_pad_packed_sequence-sizes": (f"_pad_packed_sequence({z(5, 4)}, {ints(2, 2, -1000000)}, True, 0.0, 3)[0]", "batch_sizes do not fit"),
    "_fft_r2c-axis": (f"_fft_r2c({z(4, 4)}, [1000000000], 0, True).real", "there is no axis 1000000000"),
    "_fft_c2r-length": (f"_fft_c2r(torch.complex({z(4, 3)}, {z(4, 3)}), [1], 0, 1000000)", "too few for 1000000"),
    "_upsample_bilinear2d_aa-scale": (f"_upsample_bilinear2d_aa({z(1, 3, 10, 20)}, [1000, 18], False, 0.5, 0.9)", "`scales_h` is 0.5"),
    "_weight_int4pack_mm_for_cpu-scales": (
        f"_weight_int4pack_mm_for_cpu({z(4, 64)}.to(torch.bfloat16), {z(32, 32)}.to(torch.uint8), 32, {z(0, 32, 2)}.to(torch.bfloat16))", "`qScaleAndZeros` does not have shape"),
    "linalg_lstsq-nothing": (f"linalg_lstsq({z(2, 3)}, {z(2, 0)}, driver='gelss')[0]", "must have elements"),
}
QUANTIZED = {
    "embedding_bag_byte_rowwise_offsets-offset": (
        f"embedding_bag_byte_rowwise_offsets({z(5, 12)}.to(torch.uint8), {ints(0)}, {ints(-1000000, 2)})", "offsets must grow"),
    "embedding_bag_4bit_rowwise_offsets-offset": (
        f"embedding_bag_4bit_rowwise_offsets({z(5, 6)}.to(torch.uint8), {ints(0)}, {ints(-1000000, 2)})", "offsets must grow"),
    "embedding_bag_2bit_rowwise_offsets-offset": (
        f"embedding_bag_2bit_rowwise_offsets({z(5, 5)}.to(torch.uint8), {ints(0)}, {ints(-1000000, 2)})", "offsets must grow"),
    "embedding_bag_4bit_unpack-short": (f"embedding_bag_4bit_unpack({z(5, 3)}.to(torch.uint8))", "shorter than 4 bytes"),
    "embedding_bag_byte_unpack-short": (f"embedding_bag_byte_unpack({z(5, 3)}.to(torch.uint8))", "shorter than 8 bytes"),
}


def write_misfits(folder):
    """TorchScript is compiled from source, so the calls are written as a module first."""
    folder.mkdir()
    source, expected = "import torch\n", {}
    for space, table in (("aten", MISFITS), ("quantized", QUANTIZED)):
        for name, (call, words) in table.items():
            source += f"\n\nclass M{len(expected)}(torch.nn.Module):\n    def forward(self, x):\n        return torch.ops.{space}.{call}\n"
            expected[name] = words
    (folder / "misfits.py").write_text(source)
    spec = importlib.util.spec_from_file_location("misfits", folder / "misfits.py")
    modules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(modules)
    for number, name in enumerate(expected):
        torch.jit.save(torch.jit.script(getattr(modules, f"M{number}")()), folder / f"{name}.pt")
    (folder / "expect.json").write_text(json.dumps(expected) + "\n")
