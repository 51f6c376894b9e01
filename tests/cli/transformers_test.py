"""Rows of --runtime transformers: the same documents as llama.cpp's, accelerate's placement, and Python that runs them."""
import json
import re
import shlex
import unittest

from program import run, validate

ORDER = "FDCBAS"


def report(*arguments):
    r = run(*arguments, "--runtime", "transformers", "--json")
    assert r.returncode == 0, r.stderr
    document = json.loads(r.stdout)
    validate(document, "report-1")
    return document


def rows(*arguments):
    return {q["quant"]: q for q in report("--ram", "256G", *arguments)["models"][0]["quants"]}


def code_of(command):
    words = shlex.split(command)
    assert "python3" in words and words[-2] == "-c", command
    compile(words[-1], "command", "exec")
    return words[-1]


class Transformers(unittest.TestCase):
    def test_the_rows_are_checkpoints_in_the_same_document(self):
        document = report("llama-3.1-8b", "--gpu", "RTX 4090", "--ram", "64G")
        self.assertEqual(document["workload"]["runtime"], "transformers")
        self.assertEqual([q["quant"] for q in document["models"][0]["quants"]], ["AWQ", "GPTQ", "NF4", "INT8", "BF16"])
        for q in document["models"][0]["quants"]:
            self.assertEqual(sum(d["total_bytes"] for d in q["devices"]), q["memory"]["total_bytes"])
            self.assertEqual(q["speed"]["basis"], "assumed")
            code_of(q["command"])
        self.assertEqual(list(rows("gpt-oss-20b", "--gpu", "RTX 4090")), ["MXFP4"])
        self.assertEqual(list(rows("llama-3.1-8b", "--gpu", "RTX 4090", "-q", "F32,F16")), ["F32", "F16"])

    def test_what_is_too_large_is_divided_over_gpus_and_ram(self):
        two = rows("qwen3-32b", "--gpu", "2x RTX 3090", "-q", "NF4,INT8,BF16")
        self.assertEqual([d["device"] for d in two["INT8"]["devices"]], ["gpu0", "gpu1", "host"])
        self.assertIn('device_map="auto"', code_of(two["INT8"]["command"]))
        self.assertEqual(two["BF16"]["placement"]["mode"], "split")
        self.assertIn("max_memory={0: ", code_of(two["BF16"]["command"]))
        self.assertIn('"cpu": ', code_of(two["BF16"]["command"]))
        # Quantised weights may not stay in RAM.
        one = rows("qwen3-32b", "--gpu", "RTX 3060", "-q", "NF4,INT8,BF16")
        self.assertEqual([one[q]["fits"] for q in ("NF4", "INT8", "BF16")], [False, False, True])
        self.assertIn("NF4 has to be on GPUs as a whole", one["NF4"]["notes"])
        self.assertTrue(rows("llama-3.1-8b", "--gpu", "2x RTX 3090", "-q", "NF4")["NF4"]["command"].startswith("env CUDA_VISIBLE_DEVICES=0 python3"))
        self.assertEqual(rows("llama-3.1-8b", "--no-gpu", "-q", "BF16")["BF16"]["placement"]["mode"], "cpu")

    def test_the_longest_context_fits_and_one_step_more_does_not(self):
        for model in ("llama-3.1-8b", "gemma-3-12b", "deepseek-v2-lite"):
            for quant, row in rows(model, "--gpu", "RTX 4090").items():
                if not row["fits"] or row["placement"]["mode"] != "gpu":
                    continue
                most = row["max_ctx"]
                self.assertEqual(rows(model, "--gpu", "RTX 4090", "-q", quant, "--ctx", str(most))[quant]["placement"]["mode"], "gpu", (model, quant))
                more = rows(model, "--gpu", "RTX 4090", "-q", quant, "--ctx", str(most + 256))[quant]
                if most < {"llama-3.1-8b": 131072, "gemma-3-12b": 131072, "deepseek-v2-lite": 163840}[model]:
                    self.assertNotEqual(more["placement"]["mode"], "gpu", (model, quant, most))

    def test_more_memory_never_lowers_the_memory_letter(self):
        for model in ("llama-3.1-8b", "qwen3-30b-a3b"):
            for quant in ("NF4", "INT8"):
                letters = [ORDER.index(rows(model, "--gpu", f"RTX A6000:{size}G", "-q", quant)[quant]["memory_grade"]) for size in (12, 24, 32, 48)]
                self.assertEqual(letters, sorted(letters), (model, quant))

    def test_every_command_is_python(self):
        n = 0
        for gpu in ("RTX 3060", "8x H200", "RTX 2080 Ti"):
            for m in report("--all", "--gpu", gpu, "--ram", "256G")["models"]:
                for q in m["quants"]:
                    if not q["command"] or q.get("media"):
                        continue
                    code = code_of(q["command"])
                    n += 1
                    self.assertEqual("BitsAndBytesConfig" in code, q["quant"] in ("NF4", "INT8"))
                    if gpu == "RTX 2080 Ti" and q["placement"]["mode"] != "cpu":
                        self.assertNotRegex(code, r"torch_dtype=torch\.bfloat16")
        self.assertGreater(n, 500)

    def test_emit(self):
        r = run("llama-3.1-8b", "--gpu", "RTX 4090", "--ram", "64G", "--emit", "transformers", "-q", "INT8")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("# weights: huggingface.co/meta-llama/Llama-3.1-8B", r.stdout)
        self.assertIn('load_in_8bit=True', code_of(r.stdout.splitlines()[-1]))
        for target in ("vllm", "kubernetes", "compose", "llama-server"):
            refused = run("llama-3.1-8b", "--gpu", "RTX 4090", "--ram", "64G", "--runtime", "transformers", "--emit", target)
            self.assertEqual(refused.returncode, 2, target)
            self.assertIn("transformers", refused.stderr)

    def test_what_it_does_not_do_is_an_f_with_the_reason(self):
        for arguments, says in ((["llama-3.1-8b", "--gpu-layers", "10"], "--gpu-layers"), (["llama-3.1-8b", "-ctk", "q8_0"], "cache"),
                                (["nomic-embed-text"], "generate text")):
            r = run(*arguments, "--gpu", "RTX 4090", "--ram", "64G", "--runtime", "transformers", "--json")
            self.assertEqual(r.returncode, 0, r.stderr)
            (m,) = json.loads(r.stdout)["models"]
            self.assertEqual({q["grade"] for q in m["quants"]}, {"F"}, arguments)
            self.assertRegex(m["quants"][0]["notes"][0], re.escape(says))
        for wrong in (["llama-3.1-8b", "--runtime", "transformers", "-q", "Q4_K_M"], ["llama-3.1-8b", "--runtime", "transformers", "-q", "FP8"],
                      ["llama-3.1-8b", "-q", "NF4"], ["llama-3.1-8b", "--runtime", "vllm", "-q", "NF4"], ["plan", "llama-3.1-8b", "--runtime", "transformers", "--goal", "speed"]):
            self.assertEqual(run(*wrong).returncode, 2, wrong)


if __name__ == "__main__":
    unittest.main()
