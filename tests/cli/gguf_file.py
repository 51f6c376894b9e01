"""Writes a small GGUF file: the header and the tensor table of a llama with one block, and zeros for its tensors."""
import struct

F32, F16 = 0, 1
U32, STRING, ARRAY = 4, 8, 9


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def write_llama(path, n_embd=64, n_ff=128, n_vocab=64, n_head=4):
    values = [("general.architecture", "llama"), ("llama.context_length", 4096), ("llama.block_count", 1),
              ("llama.embedding_length", n_embd), ("llama.feed_forward_length", n_ff), ("llama.attention.head_count", n_head),
              ("llama.attention.head_count_kv", n_head), ("general.file_type", 1)]
    fields = b""
    for key, value in values:
        fields += string(key) + (struct.pack("<I", STRING) + string(value) if isinstance(value, str) else struct.pack("<II", U32, value))
    fields += string("tokenizer.ggml.tokens") + struct.pack("<IIQ", ARRAY, STRING, n_vocab) + string("t") * n_vocab
    matrices = {"attn_q": (n_embd, n_embd), "attn_k": (n_embd, n_embd), "attn_v": (n_embd, n_embd), "attn_output": (n_embd, n_embd),
                "ffn_gate": (n_embd, n_ff), "ffn_up": (n_embd, n_ff), "ffn_down": (n_ff, n_embd)}
    tensors = [("token_embd.weight", (n_embd, n_vocab), F16), ("output_norm.weight", (n_embd,), F32),
               ("output.weight", (n_embd, n_vocab), F16), ("blk.0.attn_norm.weight", (n_embd,), F32),
               ("blk.0.ffn_norm.weight", (n_embd,), F32)]
    tensors += [(f"blk.0.{name}.weight", shape, F16) for name, shape in matrices.items()]
    table, offset = b"", 0
    for name, shape, kind in tensors:
        table += string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, offset)
        size = 4 if kind == F32 else 2
        for n in shape:
            size *= n
        offset += (size + 31) // 32 * 32
    head = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(values) + 1)
    meta = head + fields + table
    meta += b"\0" * (-len(meta) % 32)
    with open(path, "wb") as f:
        f.write(meta + b"\0" * offset)
