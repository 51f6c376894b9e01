"""What the program advises, applied: the grade that it promised is the grade that it then gives."""
import copy
import json
import os
import re
import tempfile
import unittest

from program import PROFILES, run

GIB = 1 << 30
QUESTIONS = [
    ("olmo-2-7b", "Q8_0", "desktop-rtx3060-12g"),
    ("lfm2-8b-a1b", "BF16", "desktop-rtx3060-12g"),
    ("llama-3.1-70b", "Q4_K_M", "desktop-rtx4090-64g"),
    ("qwen3-32b", "Q8_0", "desktop-rtx4090-64g"),
    ("mixtral-8x7b", "Q6_K", "desktop-rtx3060-12g"),
    ("llama-3.1-70b", "BF16", "server-2xa100"),
    ("llama-3.1-8b", "Q4_K_M", "macbook-m2-16g"),
    ("olmo-2-32b", "Q4_K_M", "macbook-m2-16g"),
    ("llama-3.1-70b", "Q4_K_M", "strix-halo-128g"),
    ("qwen3-4b-2507", "Q8_0", "vm-no-gpu"),
    ("smollm3-3b", "BF16", "vm-no-gpu"),
    ("gemma-3-1b", "BF16", "vm-no-gpu"),
    ("kimi-k2-0905", "Q2_K", "laptop-igpu-16g"),
    ("flux.1-dev", "Q8_0", "desktop-rtx3060-12g"),
    ("qwen-image", "Q4_0", "desktop-rtx4090-64g"),
    ("whisper-large-v3", "F16", "laptop-igpu-16g"),
    ("llama-3.1-8b", "BF16", "desktop-rtx3060-12g", "--runtime", "vllm"),
    ("llama-3.1-8b", "FP8", "desktop-rtx4090-64g", "--runtime", "vllm", "--ctx", "128k"),
    ("qwen3-14b", "BF16", "desktop-rtx4090-64g", "--runtime", "transformers"),
]


def answer(model, quant, machine, *flags):
    r = run(model, "-q", quant, "--hardware", machine, "--json", *flags)
    report = json.loads(r.stdout)["models"][0]
    return report["quants"][0]["grade"], [n for n in report["notes"] if "would be" in n]


def is_card(gpu):
    return gpu["type"] == "discrete" and not gpu.get("unified_memory")


def more(machine, on_card, gib, gbs):
    """The machine with so much memory and so much more bandwidth."""
    parts = [g for g in machine["gpus"] if (is_card(g) if on_card else g.get("unified_memory"))]
    for gpu in parts:
        if gib:
            gpu["memory_total"]["value"] = max(gib * GIB, gpu["memory_total"]["value"])
        if gbs:
            gpu["bandwidth"]["value"] += gbs * 1e9
    if not on_card:
        if gib:
            machine["memory"]["total_bytes"] = gib * GIB
            machine["memory"]["limit_bytes"] = None
        if gbs and machine["memory"].get("bandwidth"):
            machine["memory"]["bandwidth"]["value"] += gbs * 1e9


def applied(advice, machine):
    """Flags and the changed machine; None where the profile does not state what is to be raised."""
    how = re.search(r"would be \w (.*)", advice).group(1)
    machine = copy.deepcopy(machine)
    if "--cache-type" in how:
        return how.removeprefix("with ").split(), machine
    context = re.match(r"at (\d+)k context", how)
    if context:
        return ["--ctx", context.group(1) + "k"], machine
    if how.startswith("with one more "):
        machine["gpus"].append(next(g for g in machine["gpus"] if g["name"] == how.removeprefix("with one more ")))
        return [], machine
    faster = re.search(r"([\d.]+) times as fast", how)
    for gpu in machine["gpus"] if faster else []:
        for rate in ("bandwidth", "fp16_tflops", "fp32_tflops"):
            if gpu.get(rate):
                gpu[rate]["value"] *= float(faster.group(1))
    gib, gbs = re.search(r"(\d+) GiB", how), re.search(r"(\d+) GB/s more", how)
    if "graphics card" in how:
        return None
    on_card = how.startswith("on a card")
    if gbs and not on_card and not machine["memory"].get("bandwidth") and "unified" not in how:
        return None
    more(machine, on_card, gib and int(gib.group(1)), gbs and int(gbs.group(1)))
    return [], machine


class Advice(unittest.TestCase):
    def test_what_is_advised_gives_the_grade_that_was_promised(self):
        kinds = set()
        for model, quant, name, *flags in QUESTIONS:
            path = os.path.join(PROFILES, name + ".json")
            grade, notes = answer(model, quant, path, *flags)
            if grade == "S":
                continue
            with self.subTest(model=model, quant=quant, machine=name):
                self.assertEqual(len(notes), 1)
                promised = re.search(r"would be (\w) ", notes[0]).group(1)
                self.assertLess("SABCDF".index(promised), "SABCDF".index(grade), notes[0])
                kinds.add(re.sub(r"\d+|NVIDIA.*", "", notes[0].split("would be ")[1][2:]))
                with open(path, encoding="utf-8") as f:
                    change = applied(notes[0], json.load(f))
                if change is None:
                    continue
                with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
                    json.dump(change[1], f)
                    f.flush()
                    self.assertEqual(answer(model, quant, f.name, *flags, *change[0])[0], promised, notes[0])
        self.assertGreater(len(kinds), 4, kinds)


if __name__ == "__main__":
    unittest.main()
