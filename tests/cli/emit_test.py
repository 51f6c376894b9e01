"""Commands and files that run a model: their flags are those of the programs, their YAML is YAML, names from files are quoted."""
import json
import os
import re
import shlex
import subprocess
import tempfile
import unittest

import yaml

from gguf_file import write_llama
from program import MACHINE, PROFILES, run

# Flags by program, as of 2026-11. llama.cpp common/arg.cpp; docs.vllm.ai "vllm serve"; lmstudio.ai/docs/cli/local-models.
FLAGS = {
    "llama-server": {"-m", "-c", "-ngl", "--device", "--tensor-split", "--cpu-moe", "--n-cpu-moe", "-ctk", "-ctv", "-fa", "-b", "-ub",
                     "-np", "--kv-unified", "--no-kv-offload", "--swa-full", "--embeddings", "-t", "--cache-ram", "--host", "--port", "--mmproj", "--no-mmproj-offload"},
    "llama-cli": {"-m", "-c", "-ngl", "--device", "--tensor-split", "--cpu-moe", "--n-cpu-moe", "-ctk", "-ctv", "-fa", "-b", "-ub",
                  "--no-kv-offload", "--swa-full", "--mmproj", "--no-mmproj-offload"},
    "vllm": {"--max-model-len", "--gpu-memory-utilization", "--tensor-parallel-size", "--max-num-seqs", "--max-num-batched-tokens",
             "--quantization", "--dtype", "--kv-cache-dtype", "--host", "--port"},
    # stable-diffusion.cpp examples/common/common.cpp, docs/backend.md; whisper.cpp examples/cli.
    "sd-cli": {"-M", "-m", "--diffusion-model", "--high-noise-diffusion-model", "--vae", "--audio-vae", "--llm", "--type",
               "--embeddings-connectors", "-W", "-H", "--steps", "--cfg-scale", "--video-frames", "--diffusion-fa", "--vae-tiling",
               "--clip-on-cpu", "--vae-on-cpu", "--offload-to-cpu", "--max-vram", "-p"},
    "whisper-cli": {"-m", "-f", "-ng", "-nfa"},
    "lms": {"--copy", "--user-repo", "--gpu", "--context-length", "--identifier"},
}
# LocalAI core/config/model_config.go and its prediction options.
LOCALAI_KEYS = {"name", "backend", "parameters", "context_size", "gpu_layers", "f16", "mmap", "flash_attention", "cache_type_k",
                "cache_type_v", "tensor_split", "no_kv_offloading", "embeddings", "options"}
# Ollama api/types.go, Options and Runner.
MODELFILE_PARAMETERS = {"num_ctx", "num_gpu", "num_batch"}

SETTINGS = [["llama-3.1-8b"], ["llama-3.1-8b", "-ctk", "q8_0", "-ctv", "q8_0", "-fa", "on", "-np", "2", "--ctx", "16k"],
            ["llama-3.3-70b", "--gpu", "2x RTX 3090", "-q", "Q4_K_M"], ["llama-3.3-70b", "--gpu", "RTX 3090", "-q", "Q4_K_M", "-ngl", "30"],
            ["qwen3-30b-a3b", "-q", "Q4_K_M", "--n-cpu-moe", "12"], ["qwen3-30b-a3b", "--gpu", "RTX 3060", "-q", "Q4_K_M", "--cpu-moe"],
            ["llama-3.2-3b", "--no-gpu"], ["gemma-3-12b", "--swa-full", "-b", "1024", "--ubatch", "256", "--no-kv-offload"],
            ["gemma-3-12b", "--mmproj", "auto", "-q", "Q4_K_M"]]


def emit(target, *arguments, **keywords):
    machine = [] if "--hardware" in arguments else ["--hardware", MACHINE]
    return run(*arguments, "--emit", target, *machine, **keywords)


def commands(text):
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


class Commands(unittest.TestCase):
    def only_known_flags(self, program, words):
        flags = {w for w in words if re.fullmatch(r"--?[a-z][a-z-]*", w)}
        self.assertLessEqual(flags, FLAGS[program], words)

    def test_flags_are_those_of_the_programs(self):
        for settings in SETTINGS:
            for target in ("llama-server", "llama-cli"):
                r = emit(target, *settings)
                self.assertEqual(r.returncode, 0, r.stderr)
                (words,) = commands(r.stdout)
                self.assertEqual(words[0], target)
                self.only_known_flags(target, words[1:])

    def test_the_command_of_the_report_is_the_emitted_one(self):
        for settings in SETTINGS:
            report = json.loads(run(*settings, "--json", "--hardware", MACHINE).stdout)["models"][0]
            best = next(q for q in report["quants"] if q["quant"] == report["best_quant"])
            self.assertIn(best["command"] + "\n", emit("llama-server", *settings).stdout)

    def test_a_placement_is_stated_in_full(self):
        line = commands(emit("llama-server", *SETTINGS[2]).stdout)[0]
        self.assertEqual(line[line.index("--tensor-split") + 1], "41,40")
        line = commands(emit("llama-server", *SETTINGS[3]).stdout)[0]
        self.assertEqual(line[line.index("-ngl") + 1], "30")
        self.assertIn("--cpu-moe", commands(emit("llama-server", *SETTINGS[5]).stdout)[0])
        line = commands(emit("llama-server", *SETTINGS[1]).stdout)[0]
        self.assertEqual([line[line.index(f) + 1] for f in ("-ctk", "-ctv", "-fa", "-np", "-c")], ["q8_0", "q8_0", "on", "2", "16384"])
        line = commands(emit("llama-server", "llama-3.2-3b", "--backend", "cpu").stdout)[0]
        self.assertEqual(line[line.index("--device") + 1], "none")

    def test_pictures_and_videos_name_a_file_for_each_part(self):
        def words(model, *arguments):
            r = emit("sd", model, "--gpu", "RTX 4090", "--ram", "128G", *arguments)
            self.assertEqual(r.returncode, 0, model + r.stderr)
            (line,) = commands(r.stdout)
            self.assertEqual(line[0], "sd-cli")
            self.only_known_flags("sd-cli", line)
            return line

        for model in ("sd-1.5", "sd-2.1", "sdxl"):  # one checkpoint holds all parts
            line = words(model)
            self.assertIn("-m", line)
            self.assertNotIn("--vae", line)
        # docs/flux.md, sd3.md, flux2.md, qwen_image.md, z_image.md, wan.md, ltx2.md, hunyuan_video.md of stable-diffusion.cpp
        parts = {"flux.1-dev": {"--clip_l", "--t5xxl"}, "sd3.5-large": {"--clip_l", "--clip_g", "--t5xxl"}, "chroma1-hd": {"--t5xxl"},
                 "flux.2-dev": {"--llm"}, "qwen-image": {"--llm"}, "z-image-turbo": {"--llm"}, "wan2.1-t2v-1.3b": {"--t5xxl"},
                 "wan2.1-i2v-14b": {"--t5xxl", "--clip_vision"}, "wan2.2-t2v-a14b": {"--t5xxl", "--high-noise-diffusion-model"},
                 "ltx-2.3-22b": {"--llm", "--audio-vae", "--embeddings-connectors"}}
        for model, options in parts.items():
            line = words(model, "--resolution", "512x512", "--frames", "9") if "wan" in model or "ltx" in model else words(model)
            encoders = {w for w in line if w in ("--clip_l", "--clip_g", "--t5xxl", "--llm", "--clip_vision", "--audio-vae",
                                                 "--embeddings-connectors", "--high-noise-diffusion-model")}
            self.assertEqual(encoders, options, model)
            self.assertIn("--vae", line)
            self.assertEqual(line[line.index("--diffusion-model") + 1], model + ".safetensors")
        line = words("flux.1-dev", "--resolution", "768x512", "--steps", "4", "-q", "Q4_0")
        self.assertEqual([line[line.index(f) + 1] for f in ("-W", "-H", "--steps", "--type", "-p")], ["768", "512", "4", "q4_0", "PROMPT"])
        line = words("wan2.1-t2v-1.3b", "--frames", "33")
        self.assertEqual([line[line.index(f) + 1] for f in ("-M", "--video-frames")], ["vid_gen", "33"])

    def test_the_settings_of_a_picture_are_those_of_its_row(self):
        machine = ["--gpu", "RTX 3060 Ti", "--ram", "32G", "-q", "F16"]
        row = json.loads(run("sdxl", "--json", *machine).stdout)["models"][0]["quants"][0]
        (line,) = commands(emit("sd", "sdxl", *machine).stdout)
        self.assertTrue(row["media"]["settings"])
        for setting in row["media"]["settings"]:
            self.assertLessEqual(set(setting.split()), set(line))

    def test_speech(self):
        (line,) = commands(emit("whisper", "whisper-large-v3-turbo", "-q", "Q5_0").stdout)
        self.assertEqual(line[:3], ["whisper-cli", "-m", "ggml-large-v3-turbo-q5_0.bin"])
        self.only_known_flags("whisper-cli", line)
        (line,) = commands(emit("whisper", "whisper-base", "-q", "F16", "--no-gpu").stdout)
        self.assertIn("-ng", line)

    def test_vllm(self):
        r = emit("vllm", "llama-3.3-70b", "--gpu", "4x RTX 3090", "-q", "AWQ", "--ram", "64G", "-ctk", "q8_0", "-ctv", "q8_0")
        self.assertEqual(r.returncode, 0, r.stderr)
        (words,) = commands(r.stdout)
        self.assertEqual(words[:2], ["vllm", "serve"])
        self.only_known_flags("vllm", words)
        self.assertEqual(words[words.index("--tensor-parallel-size") + 1], "4")
        self.assertEqual(words[words.index("--kv-cache-dtype") + 1], "fp8")
        words = commands(emit("vllm", "llama-3.1-8b", "--gpu", "RTX 3090", "-q", "BF16").stdout)[0]
        self.assertEqual(words[2], "meta-llama/Llama-3.1-8B")
        self.assertIn("--dtype", commands(emit("vllm", "llama-3.2-3b", "--gpu", "RTX 2080 Ti", "-q", "BF16").stdout)[0])

    def test_vllm_runs_a_folder_with_a_config(self):
        config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
                  "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
                  "max_position_embeddings": 131072, "tie_word_embeddings": True, "head_dim": 64}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "my model")
            os.mkdir(path)
            with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as f:
                json.dump(config, f)
            for source in (path, os.path.join(path, "config.json")):
                r = emit("vllm", source, "-q", "BF16")
                self.assertEqual(commands(r.stdout)[0][2], path)
                self.assertNotIn("stands for", r.stdout)
            self.assertIn("--quantization", commands(emit("vllm", path, "-q", "FP8").stdout)[0])
            self.assertIn("stands for", emit("vllm", path, "-q", "AWQ").stdout)
            (service,) = yaml.safe_load(emit("compose", path, "--runtime", "vllm", "-q", "BF16").stdout)["services"].values()
            self.assertEqual((service["command"][0], service["volumes"][0]["source"]), ("/models/my model", folder))

    def test_lm_studio(self):
        load = commands(emit("lmstudio", "llama-3.1-8b").stdout)
        self.assertEqual([c[:2] for c in load], [["lms", "import"], ["lms", "load"]])
        for words in load:
            self.only_known_flags("lms", words)
        share = commands(emit("lmstudio", "llama-3.3-70b", "--gpu", "RTX 3090", "-q", "Q4_K_M", "-ngl", "40").stdout)[1]
        self.assertEqual(share[share.index("--gpu") + 1], "0.49")

    def test_ollama_uses_the_tag_of_the_catalogue_or_a_modelfile(self):
        self.assertIn("\nollama run llama3.1:8b\n", emit("ollama", "llama-3.1-8b").stdout)
        with tempfile.TemporaryDirectory() as folder:
            write_llama(os.path.join(folder, "m.gguf"))
            r = emit("ollama", "./m.gguf", "--ctx", "1024", cwd=folder)
            script = "ollama() { echo \"$@\" >> calls; }\n" + r.stdout
            subprocess.run(["bash", "-c", script], cwd=folder, check=True)
            with open(os.path.join(folder, "Modelfile"), encoding="utf-8") as f:
                self.assertEqual(f.read().splitlines()[:2], ["FROM ./m.gguf", "PARAMETER num_ctx 1024"])
            with open(os.path.join(folder, "calls"), encoding="utf-8") as f:
                self.assertEqual(f.read(), "create m -f Modelfile\nrun m\n")

    def test_a_modelfile_has_parameters_that_ollama_knows(self):
        text = emit("modelfile", "llama-3.1-8b", "-np", "2", "--ctx", "16k", "-ctk", "q8_0", "-ctv", "q8_0").stdout
        lines = [line.split(" ", 2) for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(lines[0][0], "FROM")
        parameters = {words[1]: words[2] for words in lines[1:]}
        self.assertLessEqual(set(parameters), MODELFILE_PARAMETERS)
        self.assertEqual(parameters["num_ctx"], "8192")  # of one of two requests
        self.assertIn("OLLAMA_NUM_PARALLEL=2", text)
        self.assertIn("OLLAMA_KV_CACHE_TYPE=q8_0", text)


class Files(unittest.TestCase):
    def test_localai(self):
        for settings in SETTINGS:
            r = emit("localai", *settings)
            document = yaml.safe_load(r.stdout)
            self.assertLessEqual(set(document), LOCALAI_KEYS)
            report = json.loads(run(*settings, "--json", "--hardware", MACHINE).stdout)
            best = next(q for q in report["models"][0]["quants"] if q["quant"] == report["models"][0]["best_quant"])
            self.assertEqual(document["context_size"], report["models"][0]["n_ctx"])
            layers = 0 if best["placement"]["mode"] == "cpu" else best["placement"]["n_gpu_layers"]
            self.assertEqual(document["gpu_layers"], layers)
            if best["placement"]["n_cpu_moe"]:
                self.assertIn(f"n_cpu_moe:{best['placement']['n_cpu_moe']}", document["options"])

    def kubernetes(self, *arguments):
        r = emit("kubernetes", *arguments)
        self.assertEqual(r.returncode, 0, r.stderr)
        deployment, service = yaml.safe_load_all(r.stdout)
        self.assertEqual((deployment["apiVersion"], deployment["kind"]), ("apps/v1", "Deployment"))
        self.assertEqual((service["apiVersion"], service["kind"]), ("v1", "Service"))
        template = deployment["spec"]["template"]
        self.assertEqual(deployment["spec"]["selector"]["matchLabels"], template["metadata"]["labels"])
        self.assertEqual(service["spec"]["selector"], template["metadata"]["labels"])
        self.assertRegex(deployment["metadata"]["name"], r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
        (container,) = template["spec"]["containers"]
        self.assertTrue(all(isinstance(a, str) for a in container["args"]))
        self.assertEqual({m["name"] for m in container["volumeMounts"]}, {v["name"] for v in template["spec"]["volumes"]})
        (port,) = container["ports"]
        self.assertEqual(container["args"][container["args"].index("--port") + 1], str(port["containerPort"]))
        return container

    def test_kubernetes_requests_follow_from_the_estimate(self):
        for settings in SETTINGS + [["llama-3.1-8b", "--gpu", "RX 7900 XTX"], ["llama-3.2-3b", "--gpu", "Arc A770"]]:
            container = self.kubernetes(*settings)
            report = json.loads(run(*settings, "--json", "--hardware", MACHINE).stdout)
            model = report["models"][0]
            best = next(q for q in model["quants"] if q["quant"] == model["best_quant"])
            host = next(d for d in best["devices"] if d["device"] == "host")["total_bytes"]
            gib = int(container["resources"]["requests"]["memory"].removesuffix("Gi"))
            self.assertTrue(host <= gib << 30 < host + (1 << 30))
            gpus = [report["hardware"]["gpus"][int(d["device"][3:])] for d in best["devices"] if d["device"] != "host"]
            resource = {"NVIDIA": "nvidia.com/gpu", "AMD": "amd.com/gpu", "Intel": "gpu.intel.com/i915"}
            asked = {k: v for k, v in container["resources"]["limits"].items() if "/" in k}
            self.assertEqual(asked, {resource[gpus[0]["vendor"]]: len(gpus)} if gpus else {})
            for name, amount in asked.items():
                self.assertEqual(container["resources"]["requests"][name], amount)
            flags = {a for a in container["args"] if re.fullmatch(r"--?[a-z][a-z-]*", a)}
            self.assertLessEqual(flags, FLAGS["llama-server"])
            self.assertNotIn("--device", flags)  # a container sees its own GPUs only

    def test_kubernetes_runs_vllm(self):
        container = self.kubernetes("llama-3.1-8b", "--runtime", "vllm", "--gpu", "2x RTX 3090", "-q", "BF16", "--ram", "64G")
        self.assertEqual(container["command"], ["vllm", "serve"])
        self.assertEqual(container["args"][0], "meta-llama/Llama-3.1-8B")
        self.assertEqual(container["resources"]["limits"]["nvidia.com/gpu"], 2)

    def test_compose_reserves_the_gpus_of_the_placement(self):
        for settings in SETTINGS:
            r = emit("compose", *settings)
            document = yaml.safe_load(r.stdout)
            (service,) = document["services"].values()
            self.assertTrue(all(isinstance(a, str) for a in service["command"]))
            self.assertIn("memory", service["deploy"]["resources"]["limits"])
        one_of_two = yaml.safe_load(emit("compose", "llama-3.1-8b", "--gpu", "2x RTX 3090", "-q", "Q4_K_M").stdout)
        (device,) = one_of_two["services"]["llama-3-1-8b"]["deploy"]["resources"]["reservations"]["devices"]
        self.assertEqual(device, {"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]})
        amd = yaml.safe_load(emit("compose", "llama-3.1-8b", "--gpu", "RX 7900 XTX").stdout)["services"]["llama-3-1-8b"]
        self.assertEqual(amd["devices"], ["/dev/kfd", "/dev/dri"])

    def test_minus_o_writes_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "d.yaml")
            r = emit("kubernetes", "llama-3.1-8b", "-o", path)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (0, "", ""))
            with open(path, encoding="utf-8") as f:
                self.assertEqual(f.read(), emit("kubernetes", "llama-3.1-8b").stdout)


class Names(unittest.TestCase):
    """Names come from files: none may end a word, a comment or a scalar."""

    NAMES = ["two words", "quote's", 'double"quote', "$(touch pwned)", "`touch pwned`", "${HOME}", "a\nb: c", "tab\there", "#hash", "- dash",
             "a: b", "\x1b[31mred", "\u202eevil", "\u009bcsi", "trailing \\", "ümläut", "null", "1e3", "~tilde", "*star", "a;b&c|d"]

    def test_they_come_out_of_a_shell_and_of_yaml_as_they_went_in(self):
        for name in self.NAMES:
            with self.subTest(name=name), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, name + ".gguf")
                write_llama(path)
                text = emit("llama-server", path).stdout
                self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
                line = text.splitlines()[-1]
                script = "llama-server() { printf '%s\\0' \"$@\"; }\n" + line
                words = subprocess.run(["bash", "-c", script], capture_output=True, cwd=folder, check=True).stdout.decode().split("\0")
                self.assertEqual(words[1], path)
                self.assertEqual(os.listdir(folder), [name + ".gguf"])
                self.assertEqual(yaml.safe_load(emit("localai", path).stdout)["name"], name)
                deployment = next(yaml.safe_load_all(emit("kubernetes", path).stdout))
                arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
                self.assertEqual(arguments[1].replace("$$(", "$("), "/models/" + name + ".gguf")
                (service,) = yaml.safe_load(emit("compose", path).stdout)["services"].values()
                self.assertEqual(service["command"][1].replace("$$", "$"), "/models/" + name + ".gguf")


class Refusals(unittest.TestCase):
    def fails(self, status, target, *arguments, says=()):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            r = emit(target, *arguments, "-o", path)
            self.assertEqual((r.returncode, r.stdout), (status, ""), r.stderr)
            self.assertFalse(os.path.exists(path))
        self.assertEqual(r.stderr.count("\n"), 1)
        for word in says:
            self.assertIn(word, r.stderr)

    def test_what_does_not_fit_is_an_unmet_requirement(self):
        self.fails(1, "llama-server", "llama-3.3-70b", "-q", "Q8_0", says=["llama-3.3-70b", "does not fit", "canirun plan llama-3.3-70b"])
        self.fails(1, "vllm", "llama-3.3-70b", says=["vLLM offloads nothing"])
        self.fails(1, "llama-server", "llama-3.1-8b", "--min-speed", "1000", says=["--min-speed"])

    def test_what_stable_diffusion_does_not_run_has_no_command(self):
        for model in ("cogvideox-2b", "kolors", "lumina-image-2"):
            self.fails(2, "sd", model, "--gpu", "RTX 4090", "--ram", "64G", says=["stable-diffusion.cpp does not run"])

    def test_what_a_program_cannot_run_is_a_wrong_question(self):
        self.fails(2, "ollama", *SETTINGS[4], says=["Ollama", "--n-cpu-moe 0"])
        self.fails(2, "lmstudio", *SETTINGS[4], says=["--n-cpu-moe 0"])
        self.fails(2, "llama-server", "llama-3.1-8b", "--runtime", "vllm", says=["GGUF", "--emit vllm"])
        self.fails(2, "vllm", "llama-3.1-8b", "-q", "Q4_K_M", says=["Q4_K_M", "AWQ"])
        self.fails(2, "vllm", "llama-3.1-8b", "--runtime", "ollama", says=["checkpoints"])
        self.fails(2, "kubernetes", "llama-3.1-8b", "--hardware", os.path.join(PROFILES, "macbook-m2-16g.json"), says=["Apple"])
        self.fails(2, "sd", "llama-3.1-8b", says=["llama-3.1-8b", "--emit llama-server"])
        self.fails(2, "whisper", "llama-3.1-8b", says=["llama-3.1-8b", "--emit llama-server"])
        self.fails(2, "helm", "llama-3.1-8b", says=["helm", "kubernetes"])
        self.fails(2, "llama-server", "llama-3.1-8b", "llama-3.2-3b", says=["one model"])
        self.fails(2, "llama-server", "--all", says=["one model"])
        self.fails(2, "llama-server", "llama-3.1-8b", "--hardware", MACHINE, "--hardware", os.path.join(PROFILES, "vm-no-gpu.json"),
                   says=["one machine"])
        self.fails(2, "llama-server", "llama-3.1-8b", "--format", "csv", says=["--format"])


if __name__ == "__main__":
    unittest.main()
