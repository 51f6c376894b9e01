"""GGUF files that lie: each is refused by the program itself in one sentence that names file and offset, quickly and in little memory."""
import json
import os
import resource
import struct
import subprocess
import tempfile
import time
import unittest

from gguf_file import ARRAY, F32, STRING, U32, string, write_llama
from program import ENVIRONMENT, MACHINE, PROGRAM, SANITIZED, validate

HUGE = 2**63
MEMORY = 512 << 20  # address space that the program may take: threads' stacks are most of it
U8, I32, F32_VALUE = 0, 5, 6


def head(n_tensors, n_keys, version=3):
    return struct.pack("<IIQQ", 0x46554747, version, n_tensors, n_keys)


def key(name, kind, value):
    return string(name) + struct.pack("<I", kind) + value


def tensor(name, shape, kind=F32, offset=0):
    return string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, offset)


ARCH = key("general.architecture", STRING, string("llama"))


class HostileFiles(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name="m.gguf"):
        return os.path.join(self.folder.name, name)

    def refused(self, data, *words, name="m.gguf"):
        with open(self.path(name), "wb") as f:
            f.write(data)
        self.refuses(name, *words)

    def refuses(self, name, *words):
        begun = time.monotonic()
        limit = None if SANITIZED else lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        r = subprocess.run([PROGRAM, self.path(name), "--hardware", MACHINE, "--json"], capture_output=True, text=True, env=ENVIRONMENT,
                           preexec_fn=limit)
        self.assertLess(time.monotonic() - begun, 5)  # a second idle; the machine may be busy
        self.assertEqual(r.returncode, 2, (words, r.stdout[:300], r.stderr[:300]))
        message = json.loads(r.stdout)["error"]["message"]
        validate(json.loads(r.stdout), "error-1")
        self.assertEqual(r.stderr, f"canirun: {message}\n")
        self.assertIn(self.path(name.split("-00")[0]), message)
        for word in words:
            self.assertIn(word, message)

    def test_counts(self):
        self.refused(head(0, HUGE) + ARCH, "offset 16", f"{HUGE} keys")
        self.refused(head(0, 65536) + ARCH, "offset")
        self.refused(head(HUGE, 1) + ARCH, "offset 8", f"{HUGE} tensors")
        self.refused(head(100_000, 1) + ARCH, "offset 8", "100000 tensors")
        self.refused(head(0, 1, version=2**31) + ARCH, "version")

    def test_strings_past_the_end(self):
        self.refused(head(0, 1) + struct.pack("<Q", HUGE) + b"general", "offset 24")
        self.refused(head(0, 1) + struct.pack("<Q", 2**16 - 1) + b"general", "offset 32", "ends")
        self.refused(head(0, 2) + ARCH + string("general.name") + struct.pack("<IQ", STRING, 2**40), "offset", "general.name")
        self.refused(head(1, 1) + ARCH + struct.pack("<Q", 2**64 - 1), "offset")

    def test_arrays(self):
        claims = lambda inner, n: head(0, 2) + ARCH + string("a") + struct.pack("<IIQ", ARRAY, inner, n)
        for inner, n in ((STRING, 2**62), (U8, 2**64 - 1), (U32, 2**62), (F32_VALUE, 2**61 + 1), (77, 1)):
            self.refused(claims(inner, n), "offset", "'a'")
        nested = b"".join(struct.pack("<IQ", ARRAY, 1) for _ in range(100_000))
        self.refused(head(0, 2) + ARCH + string("a") + struct.pack("<I", ARRAY) + nested, "offset", "'a'")

    def test_tensors(self):
        one = lambda t, n=1: head(n, 1) + ARCH + t + b"\0" * 4096
        self.refused(one(tensor("x", (2**40, 2**40))), "offset", "'x'", "more elements")
        self.refused(one(tensor("x", (2**32, 2**32))), "offset", "'x'", "more elements")
        self.refused(one(tensor("x", (2**62,))), "offset", "'x'")
        self.refused(one(tensor("x", (1, 1, 1, 1, 1))), "offset", "'x'", "5 dimensions")
        self.refused(one(tensor("x", (8,), kind=99)), "offset", "'x'", "type 99")
        self.refused(one(tensor("x", (33,), kind=8)), "offset", "'x'", "rows of 33")
        self.refused(one(tensor("x", (8,), offset=2**63)), "offset", "'x'")
        self.refused(one(tensor("x", (8,), offset=32)), "offset", "'x'")
        self.refused(one(tensor("x", (8,)) + tensor("x", (8,), offset=32), 2), "offset", "'x'", "twice")
        self.refused(one(tensor("x", (64,)) + tensor("y", (64,)), 2), "offset", "'y'")  # overlapping
        self.refused(head(1, 1) + ARCH + tensor("x", (2**20,)), "offset", "cut off")  # data beyond the file

    def test_keys(self):
        for alignment in (0, 3, 2**31 + 1):
            self.refused(head(0, 2) + ARCH + key("general.alignment", U32, struct.pack("<I", alignment)), "offset", "general.alignment")
        self.refused(head(0, 2) + ARCH + key("general.alignment", I32, struct.pack("<i", -32)), "offset", "general.alignment")
        self.refused(head(0, 2) + ARCH + ARCH, "offset", "twice")
        self.refused(head(0, 1) + key("general.architecture", 77, b""), "offset", "type 77")
        self.refused(head(0, 0), "general.architecture")
        nan = struct.pack("<f", float("nan"))
        keys = key("llama.context_length", U32, struct.pack("<I", 64)) + key("llama.embedding_length", F32_VALUE, nan)
        self.refused(head(0, 3) + ARCH + keys, "llama.embedding_length")

    def test_a_file_cut_off_anywhere(self):
        write_llama(self.path("whole.gguf"))
        with open(self.path("whole.gguf"), "rb") as f:
            whole = f.read()
        self.refused(b"", name="empty.gguf")
        for end in (3, 8, 20, 30, 200, 900, len(whole) - 64):
            self.refused(whole[:end], name="cut.gguf")

    def test_split_files(self):
        def part(number, count, n_tensors=0):
            keys = key("split.no", U32, struct.pack("<I", number)) + key("split.count", U32, struct.pack("<I", count))
            keys += key("split.tensors.count", U32, struct.pack("<I", n_tensors))
            return head(0, 4) + ARCH + keys

        first, second = "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"
        self.refused(part(0, 2), name=first)  # the second part is missing
        for wrong in (part(0, 2), part(1, 3), part(7, 2), part(1, 2**31)):
            with open(self.path(second), "wb") as f:
                f.write(wrong)
            self.refuses(first)
        with open(self.path(second), "wb") as f:
            f.write(part(1, 2, n_tensors=9))
        self.refused(part(0, 2, n_tensors=9), name=first)
        self.refused(part(0, 65535), "split.count", name=first)
        self.refused(part(0, 2), name="m.gguf")  # parts that the name does not tell


if __name__ == "__main__":
    unittest.main()
