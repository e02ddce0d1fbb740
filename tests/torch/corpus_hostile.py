"""Archives that a torch engine must refuse, each with the words it must say. Made from one good archive."""

import copy
import json
import zipfile

import torch


def read_members(source):
    with zipfile.ZipFile(source) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write_members(path, members, compressed=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED if name in compressed else zipfile.ZIP_STORED)


class Writer:
    def __init__(self, folder, source):
        self.folder = folder
        self.members = read_members(source)
        self.prefix = next(name for name in self.members if name.endswith("models/model.json"))[: -len("models/model.json")]
        self.expect = {}

    def add(self, name, words, change, status="failed"):
        """`change` edits a copy of the members; it may give the names of those to compress."""
        members = dict(self.members)
        compressed = change(members) or ()
        write_members(self.folder / f"{name}.pt2", members, compressed)
        self.expect[name] = {"status": status, "words": words}

    def add_json(self, name, words, member, change, status="failed"):
        def edit(members):
            document = json.loads(members[self.prefix + member])
            change(document)
            members[self.prefix + member] = json.dumps(document).encode()

        self.add(name, words, edit, status)


def number_list_output(graph):
    """A Python function that claims to give a list of numbers, one of which is the program's output."""
    arguments = [{"name": "", "arg": {"as_float": 1.0}, "kind": 1}, {"name": "", "arg": {"as_float": 2.0}, "kind": 1}]
    graph["nodes"].append({"target": "_operator.add", "inputs": arguments, "outputs": [{"as_sym_floats": [{"as_name": "evil"}]}], "metadata": {}})
    graph["outputs"][0] = {"as_sym_float": {"as_name": "evil"}}


class ScriptSave(torch.nn.Module):
    def forward(self, x):
        torch.save(x, "stolen.pt")
        return x


class ScriptFromFile(torch.nn.Module):
    def forward(self, x):
        return x + torch.from_file("/etc/hostname", False, 1, dtype=torch.uint8)


class ScriptReadsPast(torch.nn.Module):
    def forward(self, x):
        return torch.ops.aten._reshape_alias(x, [1000], [1])


class ScriptSparse(torch.nn.Module):
    """Allowed, but checked when it runs: the index is beyond the tensor."""

    def forward(self, x):
        return torch.sparse_coo_tensor(torch.tensor([[100000000]]), x[:1], [2]).to_dense()


def save_deep_inside(x: torch.Tensor) -> torch.Tensor:
    for _ in range(2):
        if bool(x.sum() > 0):
            torch.save(x, "stolen.pt")
    return x


class ScriptPart(torch.nn.Module):
    def forward(self, x):
        return save_deep_inside(x)


class ScriptNested(torch.nn.Module):
    """In a block, of a function, called by a submodule, in a subgraph."""

    def __init__(self):
        super().__init__()
        self.part = ScriptPart()

    def forward(self, x):
        return torch.jit.wait(torch.jit.fork(self.part, x))


class ScriptUnused(torch.nn.Module):
    def forward(self, x):
        return x

    @torch.jit.export
    def extra(self, x):
        torch.save(x, "stolen.pt")
        return x


class ScriptClass(torch.nn.Module):
    def forward(self, x):
        torch.classes.profiling._ScriptProfile().enable()
        return x


class ScriptSetstate(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.times = 3

    @torch.jit.export
    def __getstate__(self):
        return (self.times, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]):
        self.times = state[0]
        self.training = state[1]

    def forward(self, x):
        return x * self.times


def write_scripts(writer):
    cases = {
        "script_save": (ScriptSave, "operator `aten::save` in `__torch__"),
        "script_from_file": (ScriptFromFile, "operator `aten::from_file`"),
        "script_reads_past": (ScriptReadsPast, "operator `aten::_reshape_alias`"),
        "script_nested": (ScriptNested, "operator `aten::save`"),
        "script_unused": (ScriptUnused, "operator `aten::save`"),
        "script_class": (ScriptClass, "class `__torch__.torch.classes.profiling._ScriptProfile`"),
        "script_setstate": (ScriptSetstate, "has a `__setstate__`"),
    }
    for name, (module, words) in cases.items():
        torch.jit.save(torch.jit.script(module().eval()), writer.folder / f"{name}.pt2")
        writer.expect[name] = {"status": "unsupported", "words": words}


def first_weight(config):
    return next(iter(config["config"].values()))


def write_hostile(folder, source):
    folder.mkdir()
    writer = Writer(folder, source)
    program, weights = "models/model.json", "data/weights/model_weights_config.json"

    def on_graph(name, words, change, status="failed"):
        writer.add_json(name, words, program, lambda document: change(document["graph_module"]["graph"]), status)

    def on_weight(name, words, change, status="failed"):
        writer.add_json(name, words, weights, lambda config: change(first_weight(config)), status)

    def set_first_input(graph, argument):
        graph["nodes"][0]["inputs"][0]["arg"] = argument

    # Archive
    writer.add("no_program", "neither an exported program", lambda members: members.pop(writer.prefix + program) and None, "unsupported")
    writer.add("two_programs", "2 programs", lambda members: members.update({writer.prefix + "models/other.json": b"{}"}), "unsupported")
    writer.add("compressed_program", "is compressed", lambda members: [writer.prefix + program])
    writer.add("aot_inductor", "AOTInductor", lambda members: members.update({writer.prefix + "data/aotinductor/model/x.so": b"\x7fELF"}), "unsupported")
    writer.add("aot_source", "AOTInductor", lambda members: members.update({writer.prefix + "data/aotinductor/model/x.cpp": b"int x;"}), "unsupported")
    writer.add("weight_missing", "is missing", lambda members: members.pop(writer.prefix + "data/weights/weight_0") and None)
    writer.add("weight_short", "does not fit", lambda members: members.update({writer.prefix + "data/weights/weight_0": b"\0" * 8}))
    writer.add("not_json", "damaged", lambda members: members.update({writer.prefix + program: b"{\"graph_module\": "}))
    writer.add("deep_json", "damaged", lambda members: members.update({writer.prefix + program: b"[" * 5000 + b"]" * 5000}))
    write_members(folder / "pickled.pt2", {"archive/data.pkl": b"\x80\x02.", "archive/version": b"3"})
    writer.expect["pickled"] = {"status": "unsupported", "words": "pickled tensors"}

    # Weights
    on_weight("negative_size", "does not fit", lambda weight: weight["tensor_meta"]["sizes"].__setitem__(0, {"as_int": -4}))
    on_weight("negative_stride", "does not fit", lambda weight: weight["tensor_meta"]["strides"].__setitem__(0, {"as_int": -1}))
    on_weight("negative_offset", "does not fit", lambda weight: weight["tensor_meta"].update(storage_offset={"as_int": -8}))
    on_weight("huge_offset", "does not fit", lambda weight: weight["tensor_meta"].update(storage_offset={"as_int": 2**62}))
    on_weight("huge_size", "does not fit", lambda weight: weight["tensor_meta"]["sizes"].__setitem__(0, {"as_int": 2**62}))
    on_weight("huge_stride", "does not fit", lambda weight: weight["tensor_meta"]["strides"].__setitem__(0, {"as_int": 2**62}))
    on_weight("symbolic_size", "not a number", lambda weight: weight["tensor_meta"]["sizes"].__setitem__(
        0, {"as_expr": {"expr_str": "s0", "hint": None}}))
    on_weight("more_sizes", "sizes and", lambda weight: weight["tensor_meta"]["sizes"].append({"as_int": 1}))
    on_weight("unknown_dtype", "unknown dtype 99", lambda weight: weight["tensor_meta"].update(dtype=99))
    on_weight("sparse_weight", "strided", lambda weight: weight["tensor_meta"].update(layout=1), "unsupported")
    on_weight("pickled_weight", "pickled object", lambda weight: weight.update(use_pickle=True), "unsupported")
    on_weight("weight_elsewhere", "is missing", lambda weight: weight.update(path_name="../../../../etc/passwd"))
    writer.add_json("no_weight", "no weight", weights, lambda config: config["config"].clear())

    # Graph
    on_graph("undefined_name", "nothing before it defines", lambda graph: set_first_input(graph, {"as_tensor": {"name": "ghost"}}))
    on_graph("cycle", "nothing before it defines", lambda graph: set_first_input(graph, graph["nodes"][-1]["outputs"][0]))
    on_graph("defined_twice", "a second time", lambda graph: graph["nodes"].append(copy.deepcopy(graph["nodes"][0])))
    on_graph("unknown_operator", "no such operator", lambda graph: graph["nodes"][0].update(target="torch.ops.mylib.magic.default"), "unsupported")
    on_graph("reads_a_file", "may not be used", lambda graph: graph["nodes"][0].update(target="torch.ops.aten.from_file.default"), "unsupported")
    on_graph("past_memory", "may not be used", lambda graph: graph["nodes"][0].update(target="torch.ops.aten._reshape_alias.default"), "unsupported")
    on_graph("raw_memory", "may not be used", lambda graph: graph["nodes"][0].update(target="torch.ops.inductor._reinterpret_tensor.default"), "unsupported")
    on_graph("unknown_function", "Python function", lambda graph: graph["nodes"][0].update(target="os.system"), "unsupported")
    on_graph("unknown_higher_order", "higher-order", lambda graph: graph["nodes"][0].update(target="torch.ops.higher_order.flex"), "unsupported")
    on_graph("unknown_argument", "has no argument `bogus`", lambda graph: graph["nodes"][0]["inputs"][0].update(name="bogus"))
    on_graph("missing_argument", "is missing", lambda graph: graph["nodes"][0]["inputs"].pop(0))
    on_graph("wrong_argument", "does not fit", lambda graph: set_first_input(graph, {"as_string": "text"}))
    on_graph("unknown_kind", "argument of kind", lambda graph: set_first_input(graph, {"as_wormhole": 1}), "unsupported")
    on_graph("not_a_union", "union of one", lambda graph: set_first_input(graph, {"as_int": 1, "as_none": True}))
    on_graph("too_many_outputs", "gives 1 values", lambda graph: graph["nodes"][0]["outputs"].append({"as_tensor": {"name": "more"}}))
    on_graph("list_of_numbers", "it must give one value", number_list_output)
    on_graph("output_undefined", "nothing before it defines", lambda graph: graph["outputs"].__setitem__(0, {"as_tensor": {"name": "ghost"}}))
    on_graph("output_missing", "differ in outputs", lambda graph: graph["outputs"].pop())

    # Program
    def module_change(name, words, change, status="failed"):
        writer.add_json(name, words, program, lambda document: change(document["graph_module"]), status)

    writer.add_json("schema_version", "schema version 9", program, lambda document: document["schema_version"].update(major=9), "unsupported")
    module_change("signature_ghost", "no input of the graph", lambda module: module["signature"]["input_specs"][0]["parameter"]["arg"].update(name="ghost"))
    module_change("signature_short", "differ", lambda module: module["signature"]["input_specs"].pop())
    module_change("custom_object", "custom object", lambda module: module["signature"]["input_specs"].__setitem__(
        0, {"custom_obj": {"arg": {"name": "o", "class_fqn": "C"}, "custom_obj_name": "o"}}), "unsupported")
    module_change("empty_input_spec", "union of one", lambda module: module["signature"]["input_specs"].__setitem__(0, {}))
    module_change("empty_output_spec", "union of one", lambda module: module["signature"]["output_specs"].__setitem__(0, {}))
    module_change("bad_tree", "pytree", lambda module: module["module_call_graph"][0]["signature"].update(in_spec="[1, 7]"))

    write_scripts(writer)
    torch.jit.save(torch.jit.script(ScriptSparse().eval()), folder / "sparse_index.pt")
    (folder / "expect.json").write_text(json.dumps(writer.expect, indent=1))
