#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets and the small data files that the command-line target answers from.

Run it after a change of what a format holds: tests/fuzz/make_corpus.py
What a fuzzer found is added beside the seeds by hand, under a name that says what it was.
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")


def write(folder, name, content):
    path = os.path.join(HERE, folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())


# --- GGUF (ggml/docs/gguf.md) ---------------------------------------------------------------------------------------------------
class Gguf:
    U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9

    def __init__(self, order="<"):
        self.order, self.keys, self.tensors, self.n_keys, self.n_tensors, self.end = order, b"", b"", 0, 0, 0

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def text(self, s):
        raw = s.encode()
        return self.pack("Q", len(raw)) + raw

    def key(self, name, kind, value):
        self.keys += self.text(name) + self.pack("I", kind) + value
        self.n_keys += 1

    def u32(self, name, value):
        self.key(name, self.U32, self.pack("I", value))

    def u32s(self, name, values):
        self.key(name, self.ARRAY, self.pack("IQ", self.U32, len(values)) + b"".join(self.pack("I", v) for v in values))

    def f32(self, name, value):
        self.key(name, self.F32, self.pack("f", value))

    def flag(self, name, value):
        self.key(name, self.BOOL, self.pack("B", value))

    def string(self, name, value):
        self.key(name, self.STRING, self.text(value))

    def strings(self, name, values):
        self.key(name, self.ARRAY, self.pack("IQ", self.STRING, len(values)) + b"".join(self.text(v) for v in values))

    def tensor(self, name, *shape):
        """Of f32."""
        self.tensors += self.text(name) + self.pack("I", len(shape)) + b"".join(self.pack("Q", n) for n in shape)
        self.tensors += self.pack("IQ", 0, self.end)
        size = 4
        for n in shape:
            size *= n
        self.end += (size + 31) // 32 * 32
        self.n_tensors += 1

    def bytes(self):
        return b"GGUF" + self.pack("IQQ", 3, self.n_tensors, self.n_keys) + self.keys + self.tensors


def decoder(arch, order="<", title="Tiny", **more):
    """Two layers of 64, four heads of 16, 40 tokens."""
    g = Gguf(order)
    g.string("general.architecture", arch)
    g.string("general.name", title)
    for name, value in {"context_length": 2048, "embedding_length": 64, "block_count": 2, "feed_forward_length": 96,
                        "attention.head_count": 4, "attention.head_count_kv": 2}.items():
        g.u32(f"{arch}.{name}", value)
    g.f32(f"{arch}.rope.freq_base", 10000.0)
    for name, value in more.items():
        (g.u32s if isinstance(value, list) else g.u32)(f"{arch}.{name.replace('__', '.')}", value)
    g.strings("tokenizer.ggml.tokens", [f"t{i}" for i in range(40)])
    return g


def weights(g, experts=0):
    g.tensor("token_embd.weight", 64, 40)
    g.tensor("output_norm.weight", 64)
    for il in range(2):
        for name, shape in {"attn_norm": (64,), "attn_q": (64, 64), "attn_k": (64, 32), "attn_v": (64, 32), "attn_output": (64, 64),
                            "ffn_norm": (64,)}.items():
            g.tensor(f"blk.{il}.{name}.weight", *shape)
        if experts:
            g.tensor(f"blk.{il}.ffn_gate_inp.weight", 64, experts)
        for name, shape in {"ffn_gate": (64, 96), "ffn_up": (64, 96), "ffn_down": (96, 64)}.items():
            g.tensor(f"blk.{il}.{name}{'_exps' if experts else ''}.weight", *shape, *([experts] if experts else []))
    return g


def gguf_seeds():
    yield "llama", weights(decoder("llama"))
    yield "llama-big-endian", weights(decoder("llama", order=">"))
    yield "llama-experts", weights(decoder("llama", expert_count=4, expert_used_count=2), experts=4)
    yield "gemma3-windows", weights(decoder("gemma3", attention__sliding_window=512, attention__key_length=16,
                                            attention__value_length=16))
    yield "heads-per-layer", decoder("llama", attention__head_count_kv=[2, 1])
    yield "deepseek2-keys", decoder("deepseek2", attention__q_lora_rank=16, attention__kv_lora_rank=16, attention__key_length=24,
                                    attention__value_length=16, rope__dimension_count=8, expert_count=4, expert_used_count=2,
                                    expert_feed_forward_length=32, leading_dense_block_count=1, expert_shared_count=1)
    yield "mamba2-keys", decoder("mamba2", ssm__conv_kernel=4, ssm__inner_size=128, ssm__state_size=16, ssm__time_step_rank=4,
                                 ssm__group_count=1)
    yield "qwen3next-keys", decoder("qwen3next", attention__key_length=16, attention__value_length=16, ssm__conv_kernel=4,
                                    ssm__inner_size=64, ssm__state_size=16, ssm__time_step_rank=4, ssm__group_count=2,
                                    expert_count=4, expert_used_count=2, expert_feed_forward_length=32)
    yield "no-keys", Gguf()


# --- config.json ----------------------------------------------------------------------------------------------------------------
LLAMA = {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 2048,
         "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
CONFIGS = {
    "llama": LLAMA,
    "qwen3-moe": {**LLAMA, "architectures": ["Qwen3MoeForCausalLM"], "num_experts": 8, "num_experts_per_tok": 2,
                  "moe_intermediate_size": 32, "head_dim": 16},
    "gemma3": {"architectures": ["Gemma3ForConditionalGeneration"],
               "text_config": {**LLAMA, "sliding_window": 512, "sliding_window_pattern": 6, "head_dim": 16}},
    "deepseek": {**LLAMA, "architectures": ["DeepseekV3ForCausalLM"], "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 16,
                 "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1,
                 "moe_intermediate_size": 32, "first_k_dense_replace": 1},
    "mamba": {"architectures": ["MambaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 40, "state_size": 16,
              "conv_kernel": 4, "intermediate_size": 128, "time_step_rank": 4},
    "bert": {**LLAMA, "architectures": ["BertModel"], "type_vocab_size": 2},
    "layer-types": {**LLAMA, "architectures": ["Qwen3NextForCausalLM"], "layer_types": ["linear_attention", "full_attention"],
                    "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
                    "linear_conv_kernel_dim": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
}

# --- What the children of the probe write (src/probe/*_child.cpp) ---------------------------------------------------------------
VULKAN = [
    {"device": 0, "name": "NVIDIA GeForce RTX 3060", "vendor": 4318, "id": 9479, "type": 2, "driver_id": 4, "driver": "NVIDIA",
     "driver_info": "550.1", "api": "1.3.277", "uuid": "00112233445566778899aabbccddeeff", "pci": [0, 1, 0, 0]},
    {"memory": 0, "heap_count": 2, "heaps": [{"size": 12884901888, "flags": 1, "budget": 12000000000, "usage": 1000},
                                             {"size": 16000000000, "flags": 0, "budget": 15000000000, "usage": 0}]},
    {"measured": 0, "bytes_per_second": 3.1e11},
    {"device": 1, "name": "llvmpipe", "vendor": 65541, "id": 0, "type": 4, "driver_id": 13},
]
NVML = [
    {"driver": "550.54.14"},
    {"device": 0, "name": "NVIDIA A100-SXM4-40GB", "uuid": "GPU-00112233-4455-6677-8899-aabbccddeeff", "pci": [0, 7, 0, 0],
     "vendor": 4318, "id": 8368, "compute_capability": [8, 0], "bus_width": 5120, "memory_clock": 1215, "mig": 1},
    {"memory": 0, "total": 42949672960, "free": 42000000000, "reserved": 600000000},
    {"device": 1, "parent": 0, "name": "MIG 3g.20gb", "uuid": "MIG-00112233-4455-6677-8899-aabbccddeeff"},
    {"memory": 1, "total": 21474836480, "free": 21000000000},
]
CHILDREN = {
    "vulkan": VULKAN + [{"done": True}],
    "vulkan-cut-off": VULKAN[:1],
    "nvml": NVML + [{"done": True}],
    "nvml-no-memory": [NVML[1], {"memory": 0, "status": 3}, {"lost": 1, "status": 15}, {"status": 18}],
    "absent": [{"absent": True, "error": "libvulkan.so.1: cannot open shared object file"}],
}

# --- Policies (docs/schema/policy-1.json) ----------------------------------------------------------------------------------------
POLICIES = {
    "classes": {"schema": "canirun.policy/1",
                "machines": {"laptop": {"ram": "16G", "no_gpu": True}, "server": {"gpu": ["RTX 4090", "RTX 4090"], "ram": 137438953472},
                             "saved": {"hardware": "machine.json", "gpu_bandwidth": "936", "cores": 8}},
                "rules": [{"models": ["llama-2-7b"], "machines": "laptop", "quant": "Q4_K_M", "ctx": "8k", "min_grade": "B"},
                          {"models": "deepseek-v2-lite", "machines": ["server", "saved"], "quant": ["Q8_0", "Q6_K"], "parallel": 4,
                           "cache_type_k": "q8_0", "cache_type_v": "q8_0", "min_speed": 12.5, "min_ctx": 32768}]},
    "no-machines": {"schema": "canirun.policy/1", "rules": [{"models": "llama-2-7b", "min_grade": "A"}]},
    "unknown-machine": {"schema": "canirun.policy/1", "machines": {"a": {}}, "rules": [{"models": "x", "machines": "b"}]},
}

# --- Parts of a fleet (canirun fleet --shard, src/formats/fleet_shard.cpp) and streams of profiles --------------------------------
def fleet_parts(of, models):
    """A fleet of two classes with one upgrade and a comparison, as the files of `--shard 1/of` …, a byte 0x1E between them."""
    machine = {"schema": "canirun.hardware/1", "memory": {"total_bytes": 17179869184}, "gpus": []}
    fleet = {"schema": "canirun.fleet-shard/1", "canirun": "0", "of": of, "n_models": len(models), "n_columns": 3, "min_grade": "D",
             "budget": "capacity",
             "workload": {"n_ctx": 0, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1, "kv_unified": False, "cache_type_k": "f16",
                          "cache_type_v": "q8_0", "flash_attn": "auto", "offload_kqv": True, "swa_full": False, "n_outputs_max": 0,
                          "runtime": "llama.cpp", "depth": None},
             "classes": [{"id": "0123456789ab", "name": "no GPU, 16 GiB RAM", "machines": 2, "hosts": ["a", "b"], "hardware": machine},
                         {"id": "ba9876543210", "name": "no GPU, 8 GiB RAM", "machines": 1, "hosts": [], "hardware": machine}],
             "upgrades": [{"name": "twice the RAM", "columns": [2, None]}],
             "comparison": {"a": 0, "b": 1, "differences": [["file", "4 GiB", "5 GiB"]]} if len(models) > 1 else None}
    cells = [["A", "Q8_0", True, "cpu", 8.5, 9000000000, 8192, 4], [None, "", False, "none", None, 0, None, None],
             ["S", "BF16", True, "gpu", 31.0, 17000000000, 131072, 32]]
    return "\x1e".join(json.dumps({"shard": i + 1, "fleet": fleet,
                                   "models": [{"id": m, "name": m.upper(), "n_params": 7000000000, "n_ctx": 8192, "cells": cells}
                                              for m in models[i::of]]}) for i in range(of))


FLEETS = {"whole": fleet_parts(1, ["one"]), "two-parts": fleet_parts(2, ["one", "two", "three"]),
          "unknown-cache-type": fleet_parts(1, ["one"]).replace('"q8_0"', '"q9_9"'),
          "below-zero": fleet_parts(1, ["one"]).replace('"n_params": 7000000000', '"n_params": -7')}
PROFILE_LINE = '{"schema": "canirun.hardware/1", "gpus": []}'
STREAMS = {"lines": "@" + PROFILE_LINE + "\n" + PROFILE_LINE + "\n", "spread": "\x08{\n  \"gpus\": [\n  ]\n}\n{\n}\n",
           "document": 'A{"a": {\n"b": "}{"}\n}', "broken-between": "@" + PROFILE_LINE + "\n{\"gpus\": [\n" + PROFILE_LINE}

# --- Arguments, one a line ------------------------------------------------------------------------------------------------------
COMMAND_LINES = {
    "one-model": ["llama-2-7b", "-c", "16k", "-ctk", "q8_0", "-fa", "--json"],
    "list": ["--task", "chat", "--sort", "speed", "-n", "3", "--format", "csv"],
    "every-row": ["--all", "--quant", "all", "--format", "ndjson"],
    "other-cards": ["llama-2-7b", "--gpu", "2x RTX 4090", "--tensor-split", "3,1", "--explain"],
    "sizes": ["llama-2-7b", "--vram", "24GB", "--ram", "64GiB", "--gpu-bandwidth", "936", "--reserve", "1.5G"],
    "check": ["check", "llama-2-7b", "--min-grade", "B", "--min-speed", "5", "--min-ctx", "8k", "--format", "junit"],
    "plan": ["plan", "llama-2-7b", "--goal", "context"],
    "placement": ["llama-2-7b", "-ngl", "10", "--n-cpu-moe", "3", "-np", "4", "--kv-unified", "--outputs", "1", "--backend", "vulkan"],
    "models": ["models", "show", "llama-2-7b"],
    "gpus": ["gpus", "4090", "--json"],
    "largest-numbers": ["llama-2-7b", "-c", "4294967295", "-b", "4294967295", "--ubatch", "4294967295", "-np", "256"],
    "mistyped": ["chekc", "--min-grad", "B"],
}




def main():
    for name, g in gguf_seeds():
        write("corpus/gguf", name + ".gguf", g.bytes())
    for name, config in CONFIGS.items():
        write("corpus/config_json", name + ".json", json.dumps(config))
    for name, policy in POLICIES.items():
        write("corpus/policy", name + ".json", json.dumps(policy))
    for name, lines in CHILDREN.items():
        write("corpus/probe_child", name, "@" + "".join(json.dumps(line) + "\n" for line in lines))
    for name, parts in FLEETS.items():
        write("corpus/fleet_shard", name, parts)
    for name, stream in STREAMS.items():
        write("corpus/profile_records", name, stream)
    for name, words in COMMAND_LINES.items():
        write("corpus/command_line", name, "\n".join(words))
    for name, wanted in (("models", ["llama-2-7b", "deepseek-v2-lite", "whisper-tiny"]), ("gpus", ["geforce-rtx-4090", "geforce-rtx-3060", "apple-m3-max-40-core-gpu"])):
        with open(os.path.join(TOP, "data", name + ".json"), encoding="utf-8") as f:
            data = json.load(f)
        data[name] = [e for e in data[name] if e["id"] in wanted] or data[name][:3]
        write("data", name + ".json", json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    with open(os.path.join(TOP, "tests", "fixtures", "profiles", "desktop-rtx3060-12g.json"), encoding="utf-8") as f:
        write("data", "machine.json", f.read())


if __name__ == "__main__":
    main()
