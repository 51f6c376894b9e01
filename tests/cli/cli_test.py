"""What the program promises at its edges: exit statuses, errors as one sentence, documents that follow their schemas."""
import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

from program import ENVIRONMENT, MACHINE, PROFILES, PROGRAM, TOP, on_terminal, run, validate


class Errors(unittest.TestCase):
    def fails(self, status, *arguments, says=()):
        r = run(*arguments, "--json")
        self.assertEqual(r.returncode, status, r.stderr)
        document = json.loads(r.stdout)
        validate(document, "error-1")
        self.assertEqual(r.stderr, f"canirun: {document['error']['message']}\n")
        for word in says:
            self.assertIn(word, document["error"]["message"])

    def test_an_unknown_model_suggests_the_nearest(self):
        self.fails(2, "llama-2-70", says=["llama-2-70", "did you mean", "llama-2-70b"])

    def test_a_mistyped_flag_suggests_the_nearest(self):
        self.fails(2, "llama-2-7b", "--expalin", says=["--expalin", "--explain"])

    def test_a_mistyped_command_suggests_the_nearest(self):
        for typed, command in (("chek", "check"), ("plna", "plan"), ("prob", "probe"), ("modles", "models"), ("docter", "doctor")):
            self.fails(2, typed, says=[f"the command '{command}'"])

    def test_an_option_without_its_value_says_what_it_takes(self):
        r = run("llama-2-7b", "--ctx")
        self.assertEqual((r.returncode, r.stdout), (2, ""))
        self.assertIn("--ctx needs a value (N)", r.stderr)

    def test_values_that_do_not_parse_say_what_is_accepted(self):
        self.fails(2, "llama-2-7b", "--ram", "24X", says=["24X", "24G"])
        self.fails(2, "llama-2-7b", "--ctx", "many", says=["many", "32k"])
        self.fails(2, "llama-2-7b", "-q", "Q4_X", says=["Q4_X"])
        self.fails(2, "llama-2-7b", "--format", "yaml", says=["yaml", "table"])
        self.fails(2, "plan", "llama-2-7b", "--goal", "cheap", says=["cheap", "quality"])
        self.fails(2, "plan", says=["one model"])
        self.fails(2, "plan", "llama-2-7b", "-ngl", "5", says=["--gpu-layers", "--goal"])

    def test_a_policy_with_a_slip_of_the_pen_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            policy = os.path.join(folder, "policy.json")
            for rule, says in (('{"models": "llama-2-7b", "min_grad": "B"}', "min_grade"), ('{"models": "llama-2-70"}', "rules[0]"),
                               ('{"models": "llama-2-7b", "machines": "x"}', "'x'")):
                with open(policy, "w", encoding="utf-8") as f:
                    f.write('{"schema": "canirun.policy/1", "machines": {"m": {"gpu": "RTX 4090"}}, "rules": [%s]}' % rule)
                self.fails(2, "check", "--policy", policy, says=[policy, says])
            self.fails(2, "check", "--policy", folder + "/none.json", says=["none.json"])
            self.fails(2, "check", "llama-2-7b", "--policy", policy, says=["--policy"])
            self.fails(2, "llama-2-7b", "--policy", policy, says=["--policy"])

    def test_commands_about_one_machine_take_one(self):
        self.fails(2, "plan", "llama-2-7b", "--hardware", MACHINE, "--hardware", MACHINE, says=["one machine", "2 times"])

    def test_errors_are_one_line_where_documents_are(self):
        r = run("llama-2-70", "--format", "ndjson")
        self.assertEqual((r.returncode, r.stdout.count("\n")), (2, 1))
        validate(json.loads(r.stdout), "error-1")
        for form in ("csv", "markdown", "html", "junit", "github", "gitlab", "prometheus"):
            r = run("llama-2-70", "--format", form)
            self.assertEqual((r.returncode, r.stdout), (2, ""), form)

    def test_an_option_of_another_command_is_refused(self):
        self.fails(2, "probe", "--ctx", "5", says=["probe", "--ctx"])
        self.fails(2, "llama-2-7b", "--goal", "speed", says=["--goal"])
        self.fails(2, "llama-2-7b", "--measure", "--hardware", MACHINE, says=["--measure", "--hardware"])

    def test_a_profile_that_is_missing_or_malformed_is_named(self):
        self.fails(2, "llama-2-7b", "--hardware", "/nonexistent.json", says=["/nonexistent.json"])
        with tempfile.TemporaryDirectory() as folder:
            bad = os.path.join(folder, "bad.json")
            for text in ("{", "[]", '{"schema": "canirun.hardware/9"}', '{"schema": "canirun.hardware/1", "gpus": 3}'):
                with open(bad, "w", encoding="utf-8") as f:
                    f.write(text)
                self.fails(2, "llama-2-7b", "--hardware", bad, says=[bad])
                self.fails(2, "llama-2-7b", "--hardware", MACHINE, "--models", bad, says=[bad])

    def gguf(self, architecture, n_tensors):
        """A file of one key and of tensors of 32 F32 numbers."""
        def text(word):
            return struct.pack("<Q", len(word)) + word.encode()
        f = tempfile.NamedTemporaryFile(suffix=".gguf")
        f.write(b"GGUF" + struct.pack("<IQQ", 3, n_tensors, 1) + text("general.architecture") + struct.pack("<I", 8) + text(architecture))
        for i in range(n_tensors):
            f.write(text(f"blk.{i}.magic.weight") + struct.pack("<IQIQ", 1, 32, 0, 128 * i))
        f.write(bytes(32 + 128 * n_tensors))
        f.flush()
        return f

    def test_an_unknown_architecture_has_exact_weights_and_no_grade(self):
        with self.gguf("tomorrow", 3) as f:
            machine = ["--hardware", MACHINE]
            report = json.loads(run(f.name, "--json", *machine).stdout)
            validate(report, "report-1")
            model = report["models"][0]
            self.assertIsNone(model["grade"])
            self.assertIn("'tomorrow' is not known", model["notes"][0])
            memory = model["quants"][0]["memory"]
            self.assertEqual(memory["weights_bytes"], 3 * 128)
            for part in ("kv_cache_bytes", "recurrent_state_bytes", "compute_bytes"):
                self.assertIsNone(memory[part])
            self.assertIsNone(model["quants"][0]["max_ctx"])
            self.assertEqual(run("check", f.name, *machine).returncode, 1)

    def test_a_vocabulary_is_no_model(self):
        with self.gguf("tomorrow", 0) as f:
            done = run(f.name)
            self.assertEqual(done.returncode, 2)
            self.assertIn("holds no tensors", done.stderr)

    def test_a_gguf_that_is_none_is_named(self):
        with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
            f.write(b"not a model")
            f.flush()
            self.fails(2, f.name, says=[f.name])


class Measure(unittest.TestCase):
    def test_a_measured_bandwidth_leads_and_nothing_is_said_to_a_file(self):
        r = run("probe", "--measure", "--no-gpu", "--json")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        profile = json.loads(r.stdout)
        validate(profile, "hardware-1")
        bandwidth = profile["memory"]["bandwidth"]
        # Too little free memory is the one reason not to measure, and is said.
        self.assertTrue((bandwidth and bandwidth["confidence"] == "measured") or any(n["source"] == "measure" for n in profile["notes"]))


class Media(unittest.TestCase):
    def row(self, *arguments):
        report = json.loads(run(*arguments, "--json", "--ram", "32G").stdout)
        validate(report, "report-1")
        model = report["models"][0]
        return model, model["quants"][0]

    def test_an_image_model_says_its_settings_stages_and_seconds(self):
        model, roomy = self.row("sdxl", "-q", "F16", "--gpu", "RTX 3060:12G")
        self.assertIn(model["grade"], "SA")
        self.assertEqual([s["stage"] for s in roomy["media"]["stages"]], ["text encoder", "denoiser", "decoder"])
        _, small = self.row("sdxl", "-q", "F16", "--gpu", "RTX 3070")
        self.assertTrue(small["fits"])
        for flag in small["media"]["settings"]:
            self.assertIn(flag, small["command"])
        self.assertIn("--vae-tiling", small["media"]["settings"])
        text = run("sdxl", "-q", "F16", "--gpu", "RTX 3070", "--ram", "32G").stdout
        self.assertIn("s/image", text)
        for column in ("max ctx", "prompt t/s", "costs"):
            self.assertNotIn(column, run("sdxl", "--gpu", "RTX 3070", "--ram", "32G", env={"COLUMNS": "200"}).stdout)
        self.assertIn("needs --", text)

    def test_files_that_an_older_llama_quantize_made_have_their_size_in_a_note(self):
        # bartowski/google_gemma-3n-E4B-it-GGUF: Q4_K_M 3.9 GiB; per_layer_token_embd had the type of the file.
        _, row = self.row("gemma-3n-e4b", "-q", "Q4_K_M")
        self.assertIn("take 3.9 GiB", " ".join(row["notes"]))
        self.assertGreater(row["file_bytes"], 4.4 * 2**30)
        self.assertAlmostEqual(row["file_bytes_at_release"] / 2**30, 3.9, delta=0.05)
        for same in (["gemma-3n-e4b", "-q", "F16"], ["qwen3-8b", "-q", "Q4_K_M"], ["qwen3.6-27b", "-q", "Q2_K"]):
            _, row = self.row(*same)
            self.assertNotIn("llama-quantize chose", " ".join(row["notes"]))
            self.assertNotIn("file_bytes_at_release", row)

    def test_the_settings_of_a_command_give_the_bytes_that_were_estimated(self):
        # Contexts that are no multiple of 256 cells, below a micro-batch, shared by sequences in streams of their own or in one.
        for asked in (["-c", "300"], ["-c", "1000", "-np", "3"], ["-c", "10000", "-np", "7", "--kv-unified"], ["-c", "257", "-np", "4"],
                      ["-c", "4097", "-ctk", "q8_0", "-ctv", "q8_0", "-np", "5"], []):
            _, row = self.row("gemma-2-9b", "-q", "Q4_K_M", *asked, "--gpu", "RTX 3090")
            words = shlex.split(row["command"])
            pasted = []
            for flag in ("-c", "-np", "-ngl", "-ctk", "-ctv"):
                if flag in words:
                    pasted += [flag, words[words.index(flag) + 1]]
            pasted += ["--kv-unified"] if "--kv-unified" in words else []
            _, again = self.row("gemma-2-9b", "-q", "Q4_K_M", *pasted, "--gpu", "RTX 3090")
            self.assertEqual(again["devices"], row["devices"], asked)
            if asked:
                self.assertEqual(words[words.index("-c") + 1], asked[1])

    def test_lists_have_the_size_at_release_too(self):
        models = json.loads(run("--search", "gemma-3n", "--all", "--quant", "all", "--gpu", "RTX 3060", "--ram", "32G", "--json").stdout)
        rows = {q["quant"]: q for q in models["models"][0]["quants"]}
        self.assertLess(rows["Q4_K_M"]["file_bytes_at_release"], rows["Q4_K_M"]["file_bytes"])
        self.assertNotIn("file_bytes_at_release", rows["Q8_0"])
        csv = run("gemma-3n-e4b", "-q", "Q4_K_M", "--gpu", "RTX 3060", "--ram", "32G", "--format", "csv").stdout.splitlines()
        cells = dict(zip(csv[0].split(","), csv[1].split(",")))
        self.assertEqual(int(cells["file_bytes_at_release"]), rows["Q4_K_M"]["file_bytes_at_release"])

    def test_more_pixels_frames_and_steps_take_longer(self):
        def seconds(*arguments):
            return self.row(*arguments, "--gpu", "RTX 4090")[1]["media"]["seconds"]["estimate"]
        self.assertLess(seconds("flux.1-dev", "-q", "Q4_0", "--resolution", "512x512"), seconds("flux.1-dev", "-q", "Q4_0"))
        self.assertLess(seconds("flux.1-dev", "-q", "Q4_0", "--steps", "4"), seconds("flux.1-dev", "-q", "Q4_0"))
        self.assertLess(seconds("wan2.1-t2v-1.3b", "-q", "Q8_0", "--frames", "17"), seconds("wan2.1-t2v-1.3b", "-q", "Q8_0"))
        for bad in (["--resolution", "1024by1024"], ["--resolution", "10x10"], ["--frames", "0"], ["--steps", "5000"]):
            self.assertEqual(run("sdxl", *bad).returncode, 2, bad)

    def test_speech_is_graded_by_real_time_and_plan_refuses_what_llama_cpp_does_not_run(self):
        _, row = self.row("whisper-base", "-q", "F16", "--gpu", "RTX 3060:12G")
        self.assertGreater(row["media"]["times_real_time"]["estimate"], 1)
        self.assertIn("whisper-cli", row["command"])
        self.assertEqual(run("check", "sdxl", "--min-speed", "5", "--gpu", "RTX 4090").returncode, 1)
        refused = run("plan", "sdxl")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("llama.cpp does not run", refused.stderr)


class Models(unittest.TestCase):
    def ids(self, *arguments):
        return run("models", *arguments, "--ids").stdout.split()

    def test_the_list_is_narrowed(self):
        self.assertGreater(len(self.ids()), 480)
        self.assertIn("llama-3.1-8b", self.ids("--provider", "Meta", "--size", "7B..9B"))
        self.assertNotIn("llama-3.1-70b", self.ids("--provider", "Meta", "--size", "..9B"))
        for model in json.loads(run("models", "--license", "apache-2.0", "--since", "2026-01", "--json").stdout)["models"]:
            self.assertEqual(model["license"], "apache-2.0")
            self.assertGreaterEqual(model["release"], "2026-01")
        self.assertTrue(run("models", "--task", "embedding", "--format", "csv").stdout.startswith("id,name,tasks,"))
        for bad in (["--provider", "Nobody"], ["--size", "big"], ["--since", "June"]):
            self.assertEqual(run("models", *bad).returncode, 2, bad)

    def test_versions_are_told(self):
        self.assertIn("other versions: llama-2-7b", run("models", "show", "llama-3-8b").stdout)
        notes = json.loads(run("llama-3-8b", "--json", "--gpu", "RTX 4090", "--ram", "32G").stdout)["models"][0]["notes"]
        self.assertTrue(any(n.startswith("newer: llama-3.1-8b") for n in notes), notes)

    def test_findings_name_file_entry_and_field_and_exit_2(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "mine.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"schema": "canirun.models/1", "models": [{"id": "x", "name": "X", "kind": "image", "n_params": 5}]}, f)
            r = run("models", "validate", path)
            self.assertEqual(r.returncode, 2)
            self.assertIn(f"{path}: x: components:", r.stdout)
            self.assertEqual(run("models", "validate", os.path.join(TOP, "data", "models.json")).returncode, 0)

    def test_a_row_says_what_its_quantisation_costs(self):
        report = json.loads(run("llama-3.1-8b", "-q", "Q4_K_M", "--json", "--hardware", MACHINE).stdout)
        validate(report, "report-1")
        quality = report["models"][0]["quants"][0]["quality"]
        self.assertEqual((quality["costs"], quality["kl_divergence"]), ("little", 0.031273))


class Advice(unittest.TestCase):
    def test_the_list_of_a_machine_is_ranked_and_shows_choices(self):
        for arguments in ([], ["--task", "chat"]):
            report = json.loads(run(*arguments, "--json", "--hardware", MACHINE).stdout)
            validate(report, "report-1")
            ranks = [("FDCBAS".index(m["grade"]), m["n_params"]) for m in report["models"]]
            self.assertGreater(len(ranks), 10)
            self.assertEqual(ranks, sorted(ranks, reverse=True))
            self.assertNotIn("F", [m["grade"] for m in report["models"]])
            coders = [m for m in report["models"] if m["id"].startswith("qwen2.5-coder-")]
            self.assertLessEqual(len(coders), 2)

    def test_the_change_that_would_raise_a_grade_does_raise_it(self):
        report = json.loads(run("llama-3.1-8b", "-q", "Q8_0", "--json", "--hardware", MACHINE).stdout)
        (note,) = [n for n in report["models"][0]["notes"] if " would be " in n]
        grade, flags = re.fullmatch(r"Q8_0 would be ([SABCD]) with (--cache-type-k q8_0)", note).groups()
        changed = json.loads(run("llama-3.1-8b", "-q", "Q8_0", *flags.split(), "--json", "--hardware", MACHINE).stdout)
        self.assertEqual(changed["models"][0]["grade"], grade)
        self.assertNotEqual(report["models"][0]["grade"], grade)


class Plan(unittest.TestCase):
    def plan(self, *arguments):
        r = run("plan", *arguments, "--json", "--hardware", MACHINE)
        document = json.loads(r.stdout)
        validate(document, "plan-1")
        return r.returncode, document

    def test_planned_machines_meet_the_plan_when_they_are_graded(self):
        # The second: all on two cards of 8 GiB is fast and graded D; placed automatically it is graded better and slower.
        for asked in (["llama-3.1-8b", "--ctx", "16k", "--min-grade", "B", "--min-speed", "30"], ["llama-2-13b", "--min-grade", "D", "--min-speed", "25"]):
            status, document = self.plan(*asked)
            self.assertEqual(status, 0)
            machines = [m for m in document["plans"][0]["machines"] if m["gpu"] and m["count"] <= 2]
            self.assertGreater(len(machines), 20)
            for machine in machines[:: len(machines) // 8]:
                r = run("check", *asked, "-q", document["plans"][0]["quant"], "--hardware", MACHINE, "--gpu", machine["gpu"])
                self.assertEqual(r.returncode, 0, (machine, r.stdout, r.stderr))

    def test_weights_without_kernels_are_not_promised_the_speed_of_the_card(self):
        found = {}
        for backend in ("cuda", "vulkan"):
            r = run("llama-3.1-8b", "-q", "TQ2_0", "--gpu", "RTX 3090", "--ram", "32G", "--cores", "8", "--backend", backend, "--json")
            (found[backend],) = json.loads(r.stdout)["models"][0]["quants"]
        self.assertEqual([found[b]["placement"]["mode"] for b in found], ["split", "gpu"])
        self.assertLess(4 * found["cuda"]["speed"]["generation_tps"]["estimate"], found["vulkan"]["speed"]["generation_tps"]["estimate"])
        self.assertIn("tq2_0 weights stay in RAM", found["cuda"]["notes"][0])
        self.assertIn("--backend vulkan", found["cuda"]["notes"][0])

    def test_an_empty_cache_is_the_fastest(self):
        rates = []
        for depth in ("0", "4k", "16k"):
            r = run("llama-3.1-8b", "-q", "Q4_K_M", "--gpu", "RTX 3090", "--ctx", "32k", "--depth", depth, "--json")
            rates.append(json.loads(r.stdout)["models"][0]["quants"][0]["speed"]["generation_tps"]["estimate"])
        self.assertEqual(rates, sorted(rates, reverse=True))

    def test_machines_are_listed_smallest_first_and_more_is_asked_of_better_grades(self):
        least = []
        for grade in ("D", "B", "S"):
            _, document = self.plan("llama-2-13b", "--min-grade", grade)
            sizes = [m["vram_bytes"] for m in document["plans"][0]["machines"]]
            self.assertEqual(sizes, sorted(sizes))
            least.append(document["plans"][0]["least"]["vram_bytes"])
        self.assertEqual(least, sorted(least))

    def test_the_plain_plan_has_a_line_for_each_machine(self):
        _, document = self.plan("llama-2-13b", "--min-grade", "A")
        lines = run("plan", "llama-2-13b", "--min-grade", "A", "--plain", "--hardware", MACHINE).stdout.splitlines()
        machines = document["plans"][0]["machines"]
        self.assertEqual([line.split("\t")[2:4] for line in lines[1:]], [[m["name"], str(m["vram_bytes"])] for m in machines])

    def test_a_plan_that_nothing_meets_is_exit_1(self):
        status, document = self.plan("llama-2-70b", "--min-speed", "1000000")
        self.assertEqual((status, document["plans"][0]["machines"]), (1, []))

    def test_a_goal_gives_a_report_of_the_best_settings(self):
        found = {}
        for goal in ("quality", "speed", "context", "users"):
            r = run("plan", "llama-3.1-8b", "--goal", goal, "--json", "--hardware", MACHINE)
            self.assertEqual(r.returncode, 0, r.stderr)
            report = json.loads(r.stdout)
            validate(report, "report-1")
            (row,) = report["models"][0]["quants"]
            self.assertIn(row["grade"], "SAB")
            found[goal] = (report["workload"], row)
        tps = {goal: row["speed"]["generation_tps"]["estimate"] for goal, (_, row) in found.items()}
        self.assertGreaterEqual(tps["speed"], tps["quality"])
        self.assertGreaterEqual(found["quality"][1]["bits_per_weight"], found["speed"][1]["bits_per_weight"])
        self.assertGreater(found["context"][0]["n_ctx"], 8192)
        self.assertGreater(found["users"][0]["n_seq_max"], 1)

    def test_a_goal_that_this_machine_cannot_reach_is_exit_1_and_says_so(self):
        r = run("plan", "llama-2-70b", "--goal", "quality", "--min-grade", "S", "--hardware", MACHINE)
        self.assertEqual(r.returncode, 1)
        self.assertIn("no settings reach grade S", r.stdout)


class Policy(unittest.TestCase):
    POLICY = os.path.join(TOP, "docs", "ci", "policy.json")

    def test_every_class_of_machine_has_its_report(self):
        r = run("check", "--policy", self.POLICY, "--json", "--hardware", MACHINE)
        self.assertEqual(r.returncode, 0, r.stderr)
        document = json.loads(r.stdout)
        validate(document, "reports-1")
        for report in document["reports"]:
            validate(report, "report-1")
        rules = [(x["machine"], [c["model"] for c in x["checks"]]) for x in document["reports"]]
        self.assertEqual(rules, [("laptop", ["llama-3.1-8b", "qwen3-8b"]), ("workstation", ["llama-3.1-8b", "qwen3-8b"]),
                                 ("workstation", ["qwen2.5-coder-32b"]), ("runner", ["qwen2.5-0.5b"])])
        self.assertEqual(document["reports"][0]["workload"]["n_ctx"], 16384)
        self.assertEqual(document["reports"][3]["hardware"]["cpu"]["model"], "AMD Ryzen 5 5600X")

    def test_files_are_found_from_the_folder_of_the_policy(self):
        with tempfile.TemporaryDirectory() as folder:
            policy = os.path.join(folder, "policy.json")
            shutil.copy(MACHINE, os.path.join(folder, "m.json"))
            with open(policy, "w", encoding="utf-8") as f:
                json.dump({"schema": "canirun.policy/1", "machines": {"a": {"hardware": ["m.json", MACHINE]}},
                           "rules": [{"models": "llama-2-70b", "min_grade": "S"}, {"models": "llama-2-7b"}]}, f)
            r = run("check", "--policy", policy, cwd="/")
        self.assertEqual((r.returncode, r.stderr), (1, ""))
        self.assertEqual([line.split(":")[0] for line in r.stdout.splitlines()],
                         [f"{verdict} a ({m})" for m in ("m", "desktop-rtx3060-12g") for verdict in ("FAIL", "pass")])

    def test_the_nearest_change_does_pass(self):
        asked = ["check", "llama-3.1-8b", "--hardware", MACHINE, "--min-grade", "S"]
        for given in (["-q", "F16"], ["-q", "Q8_0"], ["-q", "Q6_K", "--ctx", "64k"]):
            (check,) = json.loads(run(*asked, *given, "--json").stdout)["checks"]
            self.assertFalse(check["passed"], given)
            change = check["nearest"].split()
            kept = [a for i, a in enumerate(given) if not ({given[i - i % 2]} & {"-q" if "--quant" in change else "", "--ctx" if "--ctx" in change else ""})]
            self.assertEqual(run(*asked, *kept, *change).returncode, 0, (given, change))

    def test_a_failure_says_what_any_setting_reaches(self):
        (check,) = json.loads(run("check", "llama-2-70b", "--min-speed", "1000", "--json", "--hardware", MACHINE).stdout)["checks"]
        (failure,) = check["failures"]
        rate, flags = re.fullmatch(r"(\S+) t/s with (.*)", failure["best"]).groups()
        row = json.loads(run("llama-2-70b", *flags.split(), "--json", "--hardware", MACHINE).stdout)["models"][0]["quants"][0]
        self.assertAlmostEqual(row["speed"]["generation_tps"]["estimate"], float(rate), delta=0.06)


class Comparison(unittest.TestCase):
    def test_each_machine_has_the_report_it_has_alone(self):
        profiles = [os.path.join(PROFILES, n) for n in sorted(os.listdir(PROFILES))]
        r = run("llama-3.1-8b", "--json", *[a for p in profiles for a in ("--hardware", p)])
        document = json.loads(r.stdout)
        validate(document, "reports-1")
        for report, profile in zip(document["reports"], profiles, strict=True):
            self.assertEqual(report.pop("machine"), os.path.basename(profile).removesuffix(".json"))
            self.assertEqual(report, json.loads(run("llama-3.1-8b", "--json", "--hardware", profile).stdout))

    def test_every_format_names_the_machine(self):
        machines = ["--hardware", MACHINE, "--hardware", os.path.join(PROFILES, "vm-no-gpu.json")]
        for form in ("table", "csv", "ndjson", "markdown", "html", "junit", "github", "prometheus"):
            r = run("llama-3.1-8b", "-q", "Q4_K_M", *machines, "--format", form)
            self.assertEqual(r.returncode, 0, form)
            for name in ("desktop-rtx3060-12g", "vm-no-gpu"):
                self.assertIn(name, r.stdout, form)


class Output(unittest.TestCase):
    def test_every_machine_gives_a_report_that_follows_its_schema(self):
        for name in sorted(os.listdir(PROFILES)):
            for arguments in (["llama-3.1-8b"], ["--family", "gemma3"], ["check", "llama-2-70b", "--min-grade", "S"]):
                r = run(*arguments, "--json", "--hardware", os.path.join(PROFILES, name))
                self.assertIn(r.returncode, (0, 1) if "check" in arguments else (0,), r.stderr)
                report = json.loads(r.stdout)
                validate(report, "report-1")
                validate(report["hardware"], "hardware-1")
                for row in (q for m in report["models"] for q in m["quants"]):
                    for part, value in row["memory"].items():
                        if value is not None:
                            self.assertEqual(value, sum(d[part] for d in row["devices"]), part)

    def test_the_whole_catalogue_follows_the_schema(self):
        validate(json.loads(run("--all", "--json", "--no-gpu", "--hardware", MACHINE).stdout), "report-1")

    def test_a_saved_profile_gives_the_same_report(self):
        first = run("llama-3.1-8b", "--json", "--hardware", MACHINE).stdout
        saved = json.dumps(json.loads(first)["hardware"])
        self.assertEqual(first, run("llama-3.1-8b", "--json", "--hardware", "-", input=saved).stdout)

    def test_two_runs_are_identical(self):
        a, b = (run("--all", "--no-gpu", "--json", "--hardware", MACHINE).stdout for _ in range(2))
        self.assertEqual(a, b)

    def test_a_requirement_that_is_not_met_is_exit_1(self):
        good = ["check", "llama-3.1-8b", "--quant", "Q4_K_M", "--hardware", MACHINE]
        self.assertEqual(run(*good, "--min-grade", "B").returncode, 0)
        r = run(*good, "--min-speed", "100000")
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stdout.count("\n"), 1)
        self.assertIn("min-speed asked 100000 t/s", r.stdout)

    def test_a_full_disk_is_exit_3(self):
        r = run("llama-2-7b", "--hardware", MACHINE, "-o", "/dev/full")
        self.assertEqual(r.returncode, 3)
        with open("/dev/full", "w", encoding="utf-8") as full:
            self.assertEqual(run("models", stdout=full, stderr=subprocess.PIPE, capture_output=False).returncode, 3)

    def test_a_file_is_written_whole_or_not_at_all(self):
        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "report.json")
            self.assertEqual(run("llama-2-7b", "--json", "--hardware", MACHINE, "-o", target).returncode, 0)
            with open(target, encoding="utf-8") as f:
                validate(json.load(f), "report-1")
            self.assertEqual(os.listdir(folder), ["report.json"])
            self.assertEqual(run("llama-2-7b", "-o", os.path.join(folder, "no", "x")).returncode, 3)

    def test_ctrl_c_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "report.json")
            command = [PROGRAM, "--family", "gemma", "--quant", "all", "--json", "--hardware", MACHINE, "-o", target]
            started = time.monotonic()
            subprocess.run(command, env=ENVIRONMENT, check=True, timeout=120)
            whole = time.monotonic() - started
            ended = set()
            for part in range(10):  # more of them late, where the file is written
                if os.path.exists(target):
                    os.unlink(target)
                process = subprocess.Popen(command, env=ENVIRONMENT)
                time.sleep(whole * (0.4 + 0.07 * part))
                process.send_signal(signal.SIGINT)
                ended.add(process.wait(timeout=120))
                self.assertIn(os.listdir(folder), ([], ["report.json"]))
                if os.path.exists(target):
                    with open(target, encoding="utf-8") as f:
                        json.load(f)
            self.assertIn(-signal.SIGINT, ended)

    def test_version_says_how_it_was_built(self):
        first, *facts = run("--version").stdout.splitlines()
        with open(os.path.join(TOP, "CMakeLists.txt"), encoding="utf-8") as f:
            self.assertEqual(first, "canirun " + re.search(r"project\(canirun VERSION (\S+)", f.read())[1])
        self.assertRegex("\n".join(facts), r"(GNU|Clang) \d+.*\n.*hwloc \d.*\n(.*\n)*formats table, json")

    def test_a_dumb_terminal_has_no_colour_and_latin_1_no_unicode(self):
        line = [PROGRAM, "llama-2-7b", "--hardware", MACHINE]
        for extra, coloured in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
                                ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "xterm", "NO_COLOR": ""}, True)):
            self.assertEqual("\x1b[" in on_terminal(line, {**ENVIRONMENT, **extra}), coloured, extra)
        for locale in ("C", "POSIX", "de_DE.ISO-8859-1"):
            self.assertTrue(run("llama-2-7b", "--hardware", MACHINE, env={"LC_ALL": locale}).stdout.isascii(), locale)
        self.assertFalse(run("llama-2-7b", "--hardware", MACHINE, env={"LC_ALL": "en_US.utf8"}).stdout.isascii())

    def test_a_reader_that_goes_away_is_silent(self):
        line = f"'{PROGRAM}' --all --no-gpu --json --hardware '{MACHINE}' | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}"
        r = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
        self.assertEqual((r.stdout, r.stderr), ("0\n", ""))

    def test_names_from_files_cannot_command_the_terminal(self):
        with open(MACHINE, encoding="utf-8") as f:
            profile = json.load(f)
        profile["gpus"][0]["name"] = "evil\x1b[2Jcard"
        r = run("llama-2-7b", "--hardware", "-", input=json.dumps(profile))
        self.assertNotIn("\x1b", r.stdout)
        self.assertIn("evil?[2Jcard", r.stdout)

    def test_without_utf8_the_table_is_ascii(self):
        r = run("llama-2-7b", "--hardware", MACHINE, env={"LANG": "C"})
        self.assertTrue(r.stdout.isascii())

    def test_no_line_of_the_tables_is_wider_than_the_terminal(self):
        for width in (60, 80, 100, 120):
            for arguments in (["llama-3.1-8b"], ["llama-3.1-8b", "--hardware", os.path.join(PROFILES, "vm-no-gpu.json")], ["plan", "llama-3.1-8b"], ["--task", "code"], ["models"], ["gpus"]):
                extra = ["--hardware", MACHINE] if arguments[0] not in ("models", "gpus") else []
                r = run(*arguments, *extra, env={"COLUMNS": str(width)})
                for line in r.stdout.splitlines():
                    if "llama-server" not in line:  # a command is copied: it is never broken
                        self.assertLessEqual(len(line), width, line)

    def test_colour_follows_the_environment(self):
        base = ["llama-2-7b", "--hardware", MACHINE]
        self.assertNotIn("\x1b", run(*base).stdout)
        self.assertIn("\x1b[", run(*base, env={"FORCE_COLOR": "1"}).stdout)
        self.assertNotIn("\x1b", run(*base, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout)

    def test_short_help_fits_a_screen_and_lists_no_stub(self):
        self.assertLessEqual(run("-h").stdout.count("\n"), 24)
        for command in ("check", "plan", "probe", "models", "gpus", "doctor", "completion"):
            self.assertEqual(run(command, "--help").returncode, 0)

    def test_llama_cpp_flags_are_understood(self):
        long = run("llama-2-7b", "--json", "--hardware", MACHINE, "--gpu-layers", "10", "--cache-type-k", "q8_0", "--flash-attn", "on")
        short = run("llama-2-7b", "--json", "--hardware", MACHINE, "-ngl", "10", "-ctk", "q8_0", "-fa")
        self.assertEqual(long.stdout, short.stdout)
        self.assertEqual(json.loads(short.stdout)["workload"]["n_gpu_layers"], 10)


if __name__ == "__main__":
    unittest.main()
