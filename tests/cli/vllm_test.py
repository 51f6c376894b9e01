"""Rows of --runtime vllm: the same documents as llama.cpp's, and vLLM's own rules."""
import json
import unittest

from program import MACHINE, run, validate

ORDER = "FDCBAS"


def report(*arguments):
    r = run(*arguments, "--runtime", "vllm", "--json", "--ram", "512G")
    assert r.returncode == 0, r.stderr
    document = json.loads(r.stdout)
    validate(document, "report-1")
    return document


def rows(*arguments):
    return {q["quant"]: q for q in report(*arguments)["models"][0]["quants"]}


class Vllm(unittest.TestCase):
    def test_the_rows_are_checkpoints_in_the_same_document(self):
        document = report("llama-3.1-8b", "--gpu", "RTX 4090")
        self.assertEqual(document["workload"]["runtime"], "vllm")
        self.assertEqual([q["quant"] for q in document["models"][0]["quants"]], ["AWQ", "GPTQ", "FP8", "BF16"])
        for q in document["models"][0]["quants"]:
            self.assertEqual(sum(d["total_bytes"] for d in q["devices"]), q["memory"]["total_bytes"])
            self.assertTrue(q["command"].startswith("vllm serve "), q["command"])
            self.assertEqual(q["speed"]["basis"], "assumed")
        self.assertEqual(list(rows("gpt-oss-20b", "--gpu", "RTX 4090")), ["MXFP4"])

    def test_the_longest_context_fits_and_one_block_more_does_not(self):
        for model, gpu in (("llama-3.1-8b", "RTX 4090"), ("gemma-3-12b", "RTX 4090"), ("deepseek-v2-lite", "L40S")):
            for quant, row in rows(model, "--gpu", gpu).items():
                if not row["fits"]:
                    continue
                most = row["max_ctx"]
                self.assertTrue(rows(model, "--gpu", gpu, "-q", quant, "--ctx", str(most))[quant]["fits"], (model, quant, most))
                n_ctx_train = {"llama-3.1-8b": 131072, "gemma-3-12b": 131072, "deepseek-v2-lite": 163840}[model]
                if most < n_ctx_train:  # contexts are rounded up to 256 here
                    self.assertFalse(rows(model, "--gpu", gpu, "-q", quant, "--ctx", str(most + 256))[quant]["fits"], (model, quant, most))

    def test_more_memory_never_lowers_the_memory_letter(self):
        for model in ("llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-12b"):
            for quant in ("AWQ", "FP8", "BF16"):
                letters = [ORDER.index(rows(model, "--gpu", f"RTX A6000:{size}G", "-q", quant)[quant]["memory_grade"]) for size in (12, 24, 32, 48)]
                self.assertEqual(letters, sorted(letters), (model, quant))

    def test_tensor_parallelism_takes_equal_cards_that_divide_the_heads(self):
        row = rows("llama-3.3-70b", "--gpu", "4x RTX 3090", "-q", "AWQ")["AWQ"]
        gpus = [d for d in row["devices"] if d["device"] != "host"]
        self.assertEqual(len({d["total_bytes"] for d in gpus}), 1)
        self.assertIn(f"--tensor-parallel-size {len(gpus)}", row["command"])
        three = rows("llama-3.3-70b", "--gpu", "3x RTX 3090", "-q", "AWQ")["AWQ"]
        self.assertEqual(len(three["devices"]) - 1, 2)
        unlike = rows("llama-3.1-8b", "--gpu", "RTX 3090", "--gpu", "RTX 4090", "-q", "BF16")["BF16"]
        self.assertEqual(len(unlike["devices"]) - 1, 1)
        # 14 heads of 2: four ranks do not divide them.
        small = rows("qwen2.5-0.5b", "--gpu", "4x RTX 3090", "-q", "BF16")["BF16"]
        self.assertLessEqual(len(small["devices"]) - 1, 2)

    def test_what_vllm_does_not_do_is_an_f_with_the_reason(self):
        for arguments, says in ((["--gpu", "GTX 1080 Ti"], "Volta"), (["--gpu", "RTX 4090", "--cpu-moe"], "--cpu-moe"),
                                (["--gpu", "RTX 4090", "-ngl", "10"], "--gpu-layers"), (["--gpu", "M3 Max:64G"], "NVIDIA and AMD"),
                                (["--gpu", "RTX 4090", "-ctk", "q4_0", "-ctv", "q4_0"], "fp8"), (["--no-gpu"], "GPU"),
                                (["--gpu", "RTX 4090", "--no-kv-offload"], "--no-kv-offload"), (["--gpu", "2x RTX 3090", "-ts", "3,1"], "--tensor-split")):
            for row in rows("llama-3.1-8b", *arguments).values():
                self.assertEqual((row["grade"], row["fits"], row["command"]), ("F", False, None))
                self.assertIn(says, row["notes"][0])
        self.assertIn("Ampere", rows("llama-3.1-8b", "--gpu", "RTX 2080 Ti", "-q", "FP8")["FP8"]["notes"][0])
        self.assertIn("rwkv", rows("rwkv7-2.9b", "--gpu", "RTX 4090")["BF16"]["notes"][0])

    def test_quantisations_of_the_other_runtime_are_refused(self):
        for arguments, says in ((["llama-3.1-8b", "--runtime", "vllm", "-q", "Q4_K_M"], "Q4_K_M"), (["llama-3.1-8b", "-q", "AWQ"], "--runtime vllm"),
                                (["plan", "llama-3.1-8b", "--runtime", "vllm", "-q", "Q4_K_M"], "Q4_K_M"),
                                (["plan", "llama-3.1-8b", "--runtime", "vllm", "--goal", "context"], "--goal"),
                                (["plan", "sdxl", "--runtime", "diffusers"], "--gpu CARD")):
            r = run(*arguments, "--hardware", MACHINE)
            self.assertEqual((r.returncode, r.stdout), (2, ""), r.stderr)
            self.assertIn(says, r.stderr)

    def test_each_planned_machine_meets_the_plan(self):
        for runtime, quants in (("vllm", "AWQ,BF16"), ("transformers", "NF4")):
            r = run("plan", "llama-3.1-8b", "--runtime", runtime, "-q", quants, "--min-grade", "A", "--hardware", MACHINE, "--json")
            self.assertEqual(r.returncode, 0, r.stderr)
            for plan in json.loads(r.stdout)["plans"]:
                self.assertTrue(plan["machines"])
                for machine in [m for m in plan["machines"] if m["gpu"]][::40]:
                    g = run("llama-3.1-8b", "--runtime", runtime, "-q", plan["quant"], "--gpu", machine["gpu"], "--hardware", MACHINE, "--json")
                    (q,) = json.loads(g.stdout)["models"][0]["quants"]
                    self.assertEqual((q["grade"], len(q["devices"]) - 1), (machine["grade"], machine["count"]), machine)
        r = run("plan", "rwkv7-0.4b", "--runtime", "vllm", "--hardware", MACHINE)
        self.assertEqual((r.returncode, "no implementation of the architecture rwkv7" in r.stdout), (1, True), r.stdout)

    def test_a_cache_of_half_the_size_holds_twice_the_tokens(self):
        plain, fp8 = (rows("llama-3.1-8b", "--gpu", "RTX 4090", "-q", "BF16", *more)["BF16"] for more in ([], ["-ctk", "q8_0", "-ctv", "q8_0"]))
        self.assertEqual(plain["memory"]["kv_cache_bytes"], 2 * fp8["memory"]["kv_cache_bytes"])
        self.assertAlmostEqual(fp8["max_ctx"] / plain["max_ctx"], 2, delta=0.01)
        self.assertIn("--kv-cache-dtype fp8", fp8["command"])


if __name__ == "__main__":
    unittest.main()
