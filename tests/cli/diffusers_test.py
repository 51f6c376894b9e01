"""Rows of --runtime diffusers: the same documents as stable-diffusion.cpp's, and Python that runs them."""
import json
import os
import shlex
import tempfile
import unittest

from program import run

MACHINE = ["--ram", "256G", "--gpu"]


def models(*arguments):
    r = run(*arguments, "--runtime", "diffusers", "--json")
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)["models"]


def code_of(command):
    words = shlex.split(command)
    assert words[:2] == ["python3", "-c"] and len(words) == 3, command
    compile(words[2], "command", "exec")
    return words[2]


class Diffusers(unittest.TestCase):
    def test_rows_are_checkpoints(self):
        (m,) = models("sdxl", *MACHINE, "RTX 4090")
        self.assertEqual([q["quant"] for q in m["quants"]], ["FP8", "F16"])
        (m,) = models("flux.1-dev", *MACHINE, "RTX 4090", "-q", "all")
        self.assertEqual([q["quant"] for q in m["quants"]], ["FP8", "F16", "BF16", "F32"])
        for q in m["quants"]:
            self.assertEqual(q["media"]["runtime"], "diffusers")
            self.assertEqual([s["stage"] for s in q["media"]["stages"]], ["text encoder", "denoiser", "decoder"])

    def test_smaller_cards_need_settings(self):
        settings = lambda gpu: models("sdxl", *MACHINE, gpu, "-q", "F16")[0]["quants"][0]["media"]["settings"]
        self.assertEqual(settings("RTX 4090"), [])
        self.assertEqual(settings("RTX 3060:12G"), ["vae.enable_tiling()"])
        self.assertIn("enable_model_cpu_offload()", settings("RTX 3060:8G"))
        self.assertIn("enable_sequential_cpu_offload()", settings("GTX 1650"))

    def test_more_memory_never_lowers_a_grade(self):
        for model in ("sdxl", "flux.1-dev", "wan2.1-t2v-1.3b"):
            last = {}
            for size in (4, 8, 12, 24, 48):
                (m,) = models(model, *MACHINE, f"RTX A6000:{size}G")
                for q in m["quants"]:
                    letter = "FDCBAS".index(q["grade"])
                    self.assertGreaterEqual(letter, last.get(q["quant"], 0), (model, size, q["quant"]))
                    last[q["quant"]] = letter

    def test_every_command_is_python(self):
        seen = set()
        for gpu in ("RTX 3060:12G", "B200", "RX 7900 XTX"):
            for m in models("--all", *MACHINE, gpu, "--task", "text-to-image") + models("--all", *MACHINE, gpu, "--task", "text-to-video"):
                for q in m["quants"]:
                    if not q["command"]:
                        continue
                    code = code_of(q["command"])
                    seen.update(s for s in ("device_map", "enable_model_cpu_offload", "enable_sequential_cpu_offload", "enable_tiling",
                                            "enable_layerwise_casting", "encode_prompt", "export_to_video") if s in code)
        self.assertLessEqual({"device_map", "enable_model_cpu_offload", "enable_tiling", "enable_layerwise_casting", "export_to_video"}, seen)

    def test_the_text_is_encoded_on_the_cpu_where_that_is_all_that_is_too_large(self):
        (m,) = models("pixart-sigma", *MACHINE, "RTX 3050:6G", "-q", "F16")
        (q,) = m["quants"]
        self.assertEqual(q["media"]["settings"], ["encode_prompt on the CPU", "vae.enable_tiling()"])
        code = code_of(q["command"])
        self.assertIn("transformer=None, vae=None", code)
        self.assertIn("text_encoder=None, tokenizer=None", code)

    def test_names_from_a_file_stay_strings(self):
        r = run("sdxl", *MACHINE, "RTX 4090", "--emit", "diffusers")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('from_pretrained("stabilityai/stable-diffusion-xl-base-1.0"', code_of(r.stdout.splitlines()[-1]))

    def test_the_command_names_the_repository_in_the_pipelines_format(self):
        for model, repository in (("wan2.1-t2v-1.3b", "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"), ("hunyuan-video", "hunyuanvideo-community/HunyuanVideo"),
                                  ("ltx-2.3-22b", "diffusers/LTX-2.3-Diffusers")):
            (m,) = models(model, *MACHINE, "B200")
            self.assertIn(f'"{repository}"', code_of(m["quants"][-1]["command"]))
            r = run(model, *MACHINE, "B200", "--emit", "diffusers")
            self.assertIn(f"huggingface.co/{repository}\n", r.stdout)
            self.assertEqual(json.loads(run("models", "show", repository, "--json").stdout)["id"], model)

    def test_without_such_a_repository_there_is_no_command(self):
        entry = json.loads(run("models", "show", "wan2.1-t2v-1.3b", "--json").stdout)
        del entry["diffusers_repo"]
        entry.update(id="own-wan", aliases=[], hf_repo="owner/own-wan")
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "models.json")
            with open(file, "w") as out:
                json.dump({"schema": "canirun.models/1", "models": [entry]}, out)
            (m,) = models("own-wan", "--models", file, *MACHINE, "B200")
            self.assertTrue(m["quants"][0]["fits"])
            self.assertIsNone(m["quants"][0]["command"])
            self.assertIn("diffusers_repo", " ".join(m["notes"]))
            r = run("own-wan", "--models", file, *MACHINE, "B200", "--emit", "diffusers")
            self.assertEqual((r.returncode, r.stdout), (2, ""))
            self.assertIn("diffusers_repo", r.stderr)
            entry["diffusers_repo"] = "no-owner"
            with open(file, "w") as out:
                json.dump({"schema": "canirun.models/1", "models": [entry]}, out)
            r = run("models", "validate", file)
            self.assertEqual(r.returncode, 2)
            self.assertIn("own-wan: diffusers_repo: ", r.stdout + r.stderr)

    def test_lists_have_pictures_only(self):
        for arguments in ([], ["--all"]):
            listed = models(*arguments, *MACHINE, "RTX 4090")
            self.assertGreater(len(listed), 10)
            self.assertEqual({q["media"]["unit"] for m in listed for q in m["quants"]}, {"image", "video"})

    def test_what_it_does_not_run(self):
        (m,) = models("llama-3.1-8b", *MACHINE, "RTX 4090")
        self.assertEqual((m["quants"], m["notes"]), ([], ["diffusers runs image and video models"]))
        (m,) = models("sdxl", "--no-gpu", "--ram", "64G")
        self.assertEqual({q["placement"]["mode"] for q in m["quants"]}, {"cpu"})
        for other in ("Arc A770", "RX 580"):
            (m,) = models("sdxl", *MACHINE, other)
            self.assertEqual({q["placement"]["mode"] for q in m["quants"]}, {"cpu"})
        (m,) = models("sdxl", "--gpu", "M3 Max:64G")
        self.assertEqual([q["quant"] for q in m["quants"]], ["F16"])
        self.assertIn('device_map="mps"', code_of(m["quants"][0]["command"]))
        for wrong in (["sdxl", "--runtime", "diffusers", "-q", "Q4_0"], ["sdxl", "--runtime", "diffusers", "-q", "AWQ"],
                      ["sdxl", "--runtime", "diffusers", "--emit", "sd"], ["sdxl", "--emit", "vllm"], ["plan", "sdxl", "--runtime", "diffusers"]):
            self.assertEqual(run(*wrong, *MACHINE, "RTX 4090").returncode, 2, wrong)


if __name__ == "__main__":
    unittest.main()
