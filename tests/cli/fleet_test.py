"""Many machines through the real program: folding, answers, shards, and input that is broken."""
import copy
import csv
import io
import json
import os
import random
import re
import subprocess
import tempfile
import unittest

from program import MACHINE, PROFILES, PROGRAM, SANITIZED, TOP, run, validate

MODELS = ["--model", "llama-3.1-8b", "--model", "llama-3.2-1b", "--model", "llama-3.3-70b"]


def profile(name="desktop-rtx3060-12g"):
    with open(os.path.join(PROFILES, name + ".json"), encoding="utf-8") as f:
        return json.load(f)


def named(host, name="desktop-rtx3060-12g"):
    p = profile(name)
    p["host"]["name"] = host
    return p


class Fleet(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def fleet(self, *arguments, status=0, **keywords):
        r = run("fleet", *arguments, **keywords)
        self.assertEqual(r.returncode, status, r.stderr)
        return r

    def answer(self, *arguments, **keywords):
        r = self.fleet(*arguments, "--json", **keywords)
        document = json.loads(r.stdout)
        validate(document, "fleet-1")
        return document


class Answers(Fleet):
    def test_a_machine_in_a_fleet_has_the_answer_it_has_alone(self):
        for name in sorted(os.listdir(PROFILES)):
            path = os.path.join(PROFILES, name)
            alone = json.loads(run("llama-3.1-8b", "--hardware", path, "--json").stdout)["models"][0]
            cell = self.answer(path, "--model", "llama-3.1-8b")["models"][0]["classes"][0]
            best = next(q for q in alone["quants"] if q["quant"] == alone["best_quant"])
            self.assertEqual([cell["grade"], cell["quant"], cell["memory_bytes"], cell["max_ctx"], cell["mode"]],
                             [alone["grade"], best["quant"], best["memory"]["total_bytes"], best["max_ctx"], best["placement"]["mode"]], name)

    def test_equal_machines_are_one_class_whatever_is_only_theirs(self):
        machines = []
        for i in range(5):
            p = named(f"node-{i}")
            p["memory"]["total_bytes"] -= i * 300_000  # the kernel keeps a little more here
            p["memory"]["available_bytes"] = p["memory"]["total_bytes"] // (i + 2)
            p["host"]["kernel"] = f"6.1.{i}"
            p["gpus"][0].update(uuid=f"GPU-{i}", pci_address=f"0000:0{i}:00.0", driver=f"55{i}")
            p["notes"] = [{"source": "x", "text": str(i)}]
            machines.append(p)
        document = self.answer("-", "--model", "llama-3.1-8b", input="\n".join(json.dumps(m) for m in machines))
        self.assertEqual([c["machines"] for c in document["classes"]], [5])
        c = document["classes"][0]
        self.assertEqual(c["hosts"], [f"node-{i}" for i in range(5)])
        self.assertEqual(c["hardware"]["memory"]["total_bytes"], machines[4]["memory"]["total_bytes"])
        self.assertEqual([c["hardware"]["gpus"][0][k] for k in ("uuid", "pci_address", "driver")], [None] * 3)

    def test_the_order_of_profiles_does_not_matter(self):
        machines = [named(f"n{i}", name[:-5]) for i, name in enumerate(sorted(os.listdir(PROFILES)) * 3)]
        for i, m in enumerate(machines):
            m["memory"]["total_bytes"] -= i * 100_000
        machines += [named("n1", "vm-no-gpu"), named("n1", "server-2xa100")]  # one host with three profiles
        shuffled = random.Random(7).sample(machines, len(machines))
        answers = [self.fleet("-", *MODELS, "--json", input="\n".join(map(json.dumps, order))).stdout for order in (machines, machines[::-1], shuffled)]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])

    def test_parts_put_together_are_the_whole_byte_for_byte(self):
        machines = [os.path.join(PROFILES, name + ".json") for name in ("desktop-rtx3060-12g", "server-2xa100", "vm-no-gpu")]
        for extra, parts_of in (["--compare", "llama-3.1-8b", "qwen3-32b", "--ctx", "4k"], (1, 3)), (["--task", "embedding"], (2,)):
            arguments = [*machines, *(MODELS if "--compare" in extra else []), *extra]
            for of in parts_of:
                parts = []
                for i in range(1, of + 1):
                    parts.append(os.path.join(self.folder, f"{of}-{i}.json"))
                    self.fleet(*arguments, "--shard", f"{i}/{of}", "-o", parts[-1])
                for form in ("json", "csv", "html", "table"):
                    whole = self.fleet(*arguments, "--format", form).stdout
                    self.assertEqual(self.fleet("--merge", *parts[::-1], "--format", form).stdout, whole)

    def test_parts_that_do_not_fit_are_refused(self):
        part = {}
        for name, arguments in {"1": ["--shard", "1/2"], "2": ["--shard", "2/2"], "other": ["--shard", "2/2", "--min-grade", "B"]}.items():
            part[name] = os.path.join(self.folder, name + ".json")
            self.fleet(MACHINE, *MODELS, *arguments, "-o", part[name])
        self.assertIn("lacks the part 2/2", self.fleet("--merge", part["1"], status=2).stderr)
        self.assertIn("both part 1 of 2", self.fleet("--merge", part["1"], part["1"], status=2).stderr)
        self.assertIn("different fleets", self.fleet("--merge", part["1"], part["other"], status=2).stderr)
        self.assertIn("no part of a fleet", self.fleet("--merge", MACHINE, status=2).stderr)
        with open(part["2"], encoding="utf-8") as f:
            text = f.read()
        for broken in (text[:-40], text.replace('"quant', '"q'), text.replace('"cells":[[', '"cells":[[[').replace("]]}", "]]]}"), "[]", "{}"):
            if broken != text:
                self.assertIn("part", self.fleet("--merge", part["1"], self.write("broken.json", broken), status=2).stderr)

    def test_a_part_with_values_that_cannot_be_is_refused(self):
        # Both parts say the same: what is refused is the value, not that they differ.
        parts = []
        for i in ("1/2", "2/2"):
            path = os.path.join(self.folder, i[0] + ".json")
            self.fleet(MACHINE, *MODELS, "--shard", i, "-o", path)
            with open(path, encoding="utf-8") as f:
                parts.append(json.load(f))

        def workload(key, value):
            return lambda part: part["fleet"]["workload"].update({key: value})

        def cell(i, value):
            def change(part):
                for model in part["models"]:
                    model["cells"][0][i] = value
            return change

        deep = []
        for _ in range(100):
            deep = [deep]
        for change, reason in ((workload("cache_type_k", "q9_9"), "'q9_9' is not known"), (workload("cache_type_k", 9999), "where a word belongs"),
                               (workload("n_ctx", -5), "whole number from 0"), (workload("n_ctx", 1e30), "whole number from 0"),
                               (workload("runtime", "abacus"), "'abacus' is not known"), (cell(0, "Z"), "'Z' is not known"),
                               (cell(3, "moon"), "'moon' is not known"), (cell(4, -1.0), "a rate is not"), (cell(5, -1), "whole number from 0"),
                               (lambda part: part["fleet"]["classes"][0].update(machines=-3), "whole number from 0"),
                               (lambda part: part["fleet"].update(upgrades=deep), "64 levels")):
            changed = [copy.deepcopy(part) for part in parts]
            for part in changed:
                change(part)
            files = [self.write(f"changed-{i}.json", json.dumps(part)) for i, part in enumerate(changed)]
            r = self.fleet("--merge", *files, "--json", status=2)
            self.assertIn(reason, r.stderr)
            self.assertEqual(json.loads(r.stdout)["error"]["kind"], "parse")

    def test_the_smallest_set_is_the_smallest(self):
        # No class runs all three of these; which pairs do is worked out here from the cells.
        document = self.answer(PROFILES, *MODELS, "--model", "qwen3-32b", "--min-grade", "A")
        runs = {c["id"]: set() for c in document["classes"]}
        for m in document["models"]:
            for c in m["classes"]:
                if c["runs"]:
                    self.assertIn(c["grade"], "SA")
                    runs[c["class"]].add(m["id"])
        wanted = set().union(*runs.values())
        chosen = document["answers"]["smallest_set"]
        self.assertEqual(chosen["method"], "exact")
        self.assertEqual(set().union(*(runs[c] for c in chosen["classes"])), wanted)
        for c in chosen["classes"]:
            self.assertNotEqual(set().union(*(runs[d] for d in chosen["classes"] if d != c), set()), wanted)
        self.assertEqual(set(chosen["not_run"]), {m["id"] for m in document["models"]} - wanted)

    def test_an_upgrade_does_what_it_says(self):
        document = self.answer(PROFILES, *MODELS, "--gpu", "RTX PRO 6000 Blackwell")
        names = {c["id"]: c["machines"] for c in document["classes"]}
        upgrades = document["answers"]["upgrades"]
        self.assertTrue(upgrades)
        self.assertEqual(upgrades, sorted(upgrades, key=lambda u: (-u["machines"], -u["more_models"])))
        card = next(u for u in upgrades if "RTX PRO 6000" in u["upgrade"])
        self.assertEqual(card["machines"], sum(names[c] for c in card["classes"]))
        # The VM runs no 70B; with the card it does, says the program when it is asked alone.
        vm = os.path.join(PROFILES, "vm-no-gpu.json")
        grades = [json.loads(run("llama-3.3-70b", "--hardware", vm, *with_card, "--json").stdout)["models"][0]["grade"]
                  for with_card in ([], ["--gpu", "RTX PRO 6000 Blackwell"])]
        self.assertEqual(grades[0], "F")
        self.assertNotEqual(grades[1], "F")

    def test_two_versions_are_compared(self):
        document = self.answer(PROFILES, "--compare", "llama-2-7b", "llama-3.3-70b")
        c = document["answers"]["comparison"]
        self.assertEqual((c["a"], c["b"]), ("llama-2-7b", "llama-3.3-70b"))
        what = {d["what"] for d in c["differences"]}
        self.assertTrue({"parameters", "layers", "trained context", "weights, Q4_K_M"} <= what, what)
        runs = [{x["class"] for x in m["classes"] if x["runs"]} for m in document["models"]]
        self.assertEqual(set(c["lost"]), runs[0] - runs[1])
        self.assertEqual(c["machines_lost"], len(runs[0] - runs[1]))
        self.assertGreater(c["machines_lost"], 0)

    def test_users_are_what_parallel_slots_fit(self):
        document = self.answer(MACHINE, "--model", "llama-3.1-8b", "--ctx", "4k", "--min-grade", "B")
        cell = document["models"][0]["classes"][0]
        n = cell["users"]
        self.assertGreater(n, 1)
        grades = []
        for users in (n, 2 * n):
            r = run("llama-3.1-8b", "-q", cell["quant"], "--hardware", MACHINE, "--ctx", str(4096 * users), "--parallel", str(users), "--json")
            grades.append(json.loads(r.stdout)["models"][0]["grade"])
        self.assertIn(grades[0], "SAB")
        self.assertIn(grades[1], "CDF") if n < 32 else None

    def test_every_format_says_the_same(self):
        document = self.answer(PROFILES, *MODELS)
        rows = list(csv.DictReader(io.StringIO(self.fleet(PROFILES, *MODELS, "--format", "csv").stdout)))
        cells = [(m["id"], c["class"], c["grade"]) for m in document["models"] for c in m["classes"]]
        self.assertEqual([(r["model"], r["class"], r["grade"]) for r in rows], cells)
        page = self.fleet(PROFILES, *MODELS, "--format", "html").stdout
        for c in document["classes"]:
            self.assertIn(c["id"], page)
        table = self.fleet(PROFILES, *MODELS, "--model", "qwen3-32b").stdout
        for line in table.splitlines():
            self.assertLessEqual(len(line), 80, line)
        for words in document["answers"]["words"]:
            self.assertRegex(words, r"\.$")
        self.assertIn("has the formats table, json, csv, html", self.fleet(PROFILES, "--format", "junit", status=2).stderr)

    def test_names_from_profiles_are_not_markup_nor_formulas(self):
        p = named("a")
        p["gpus"][0]["name"] = "<script>alert(1)</script>"
        path = self.write("p.json", p)
        self.assertNotIn("<script>alert", self.fleet(path, *MODELS, "--format", "html").stdout)
        p["gpus"][0]["name"] = "=cmd|' /C calc'!A0\x1b[31m"
        path = self.write("p.json", p)
        self.assertIn("'=cmd", self.fleet(path, *MODELS, "--format", "csv").stdout)
        self.assertNotIn("\x1b", self.fleet(path, *MODELS).stdout)


class BadInput(Fleet):
    def test_what_is_broken_is_named_and_the_rest_is_done(self):
        newer = profile()
        newer["schema"] = "canirun.hardware/2"
        report = json.loads(run("llama-2-7b", "--hardware", MACHINE, "--json").stdout)
        files = {"good.json": profile(), "newer.json": newer, "foreign.json": {"name": "x"}, "report.json": report, "cut.json": json.dumps(profile())[:300],
                 "list.json": "[]", "none.json": "", "sub/deep/also-good.json": profile("vm-no-gpu"), "notes.txt": "not a profile"}
        for name, text in files.items():
            self.write(name, text)
        r = self.fleet(self.folder, os.path.join(self.folder, "missing.json"), *MODELS, "--json")
        self.assertEqual(json.loads(r.stdout)["machines"], 2)
        lines = r.stderr.splitlines()
        self.assertEqual(len(lines), 7, r.stderr)
        for name, why in {"newer.json": "canirun.hardware/2, which is newer", "foreign.json": "canirun.hardware/1", "report.json": "canirun.hardware/1", "cut.json": "", "list.json": "object",
                          "none.json": "empty", "missing.json": "No such file"}.items():
            self.assertTrue(any(name in line and why in line for line in lines), f"{name}: {r.stderr}")

    def test_no_profile_at_all_is_exit_2(self):
        os.mkdir(os.path.join(self.folder, "empty"))
        r = self.fleet(os.path.join(self.folder, "empty"), status=2)
        self.assertIn("empty holds no profile", r.stderr)
        self.assertIn("no profile could be read", r.stderr)
        self.fleet("-", status=2, input="")
        self.fleet("-", status=2, input="{}\nnonsense\n")
        r = self.fleet(self.write("x.json", "{}"), "--json", status=2)
        validate(json.loads(r.stdout), "error-1")
        self.assertIn("fleet needs profiles", self.fleet(status=2).stderr)

    def test_broken_lines_do_not_swallow_their_neighbours(self):
        good = json.dumps(profile())
        text = "\n".join([good, good[:200], good, "", "{", good, '{"a": 1', good[1:], json.dumps(profile(), indent=2), good]) + "\n"
        r = self.fleet("-", *MODELS, "--json", input=text)
        self.assertEqual(json.loads(r.stdout)["machines"], 5, r.stderr)
        self.assertEqual(len(r.stderr.splitlines()), 4, r.stderr)
        self.assertIn("standard input, profile in line 2", r.stderr)

    def test_files_after_each_other_are_read_from_standard_input(self):
        text = "".join(json.dumps(profile(name[:-5]), indent=2) + "\n" for name in sorted(os.listdir(PROFILES)))
        r = self.fleet("-", *MODELS, "--json", input=text)
        self.assertEqual((json.loads(r.stdout)["machines"], r.stderr), (7, ""))

    def test_a_line_of_a_gibibyte_is_named_and_the_rest_is_done(self):
        script = r"""import sys
line = sys.argv[1].encode() + b"\n"
out = sys.stdout.buffer
out.write(line)
for _ in range(1024): out.write(b"x" * (1 << 20))
out.write(b"\n" + line)"""
        source = subprocess.Popen(["python3", "-c", script, json.dumps(profile())], stdout=subprocess.PIPE)
        # A program that kept the line would need more than these 768 MiB of address space.
        r = subprocess.run(["sh", "-c", f"{'' if SANITIZED else 'ulimit -v 786432; '}exec \"$@\"", "sh", PROGRAM, "fleet", "-", "--model", "llama-3.2-1b", "--json"],
                           stdin=source.stdout, capture_output=True, text=True, timeout=120)
        source.stdout.close()
        source.wait()
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(json.loads(r.stdout)["machines"], 2)
        self.assertRegex(r.stderr, r"^canirun: standard input, profile in line 2 is longer than 4 MiB, which no profile is\n$")

    def test_a_host_that_comes_twice_is_named_and_counts_once(self):
        text = "\n".join(map(json.dumps, [named("a"), named("b"), named("a", "vm-no-gpu")]))
        r = self.fleet("-", *MODELS, "--json", input=text)
        document = json.loads(r.stdout)
        self.assertEqual(document["machines"], 2)
        self.assertRegex(r.stderr, "^canirun: 2 profiles are of the host a; it counts once")
        self.assertEqual({c["name"].split(",")[0]: c["hosts"] for c in document["classes"]}["no GPU"], ["a"])

    def test_options_that_make_no_sense_are_refused(self):
        for arguments, why in ((["--shard", "3/2"], "--shard 1/4"), (["--shard", "x"], "--shard 1/4"), (["--hardware", MACHINE], "does not take --hardware"),
                               (["--model", "llama-9"], "no model is called"), (["--compare", "llama-2-7b"], "--compare"), (["--gpu", "Voodoo 2"], "Voodoo")):
            self.assertIn(why, self.fleet(PROFILES, *arguments, status=2).stderr)
        self.assertIn("does not take --shard", run("llama-2-7b", "--shard", "1/2").stderr)


class Secrets(unittest.TestCase):
    def test_a_profile_holds_nothing_of_the_person_or_the_host(self):
        secrets = {"HOSTNAME": "secret-host-4711", "USER": "secret-user-4712", "LOGNAME": "secret-user-4712", "HOME": "/home/secret-user-4712"}
        r = run("probe", "--json", env=secrets)
        document = json.loads(r.stdout)
        self.assertNotIn("secret-", r.stdout)
        self.assertNotIn(os.uname().nodename, [document["host"].get("name")])
        self.assertNotIn("name", document["host"])
        for path in ("/etc/machine-id", "/sys/class/dmi/id/product_serial", "/sys/class/dmi/id/product_uuid", "/proc/sys/kernel/random/boot_id"):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    serial = f.read().strip()
                if len(serial) > 5:
                    self.assertNotIn(serial, r.stdout)
        self.assertFalse([g for g in document["gpus"] if g["uuid"]])
        keys = set(document["host"]) | set(document["cpu"]) | set(document["memory"])
        self.assertFalse([k for k in keys if re.search("serial|user|mac_?addr|ip_", k)])

    def test_a_host_has_the_name_it_is_given(self):
        self.assertEqual(json.loads(run("probe", "--host", "node-17", "--json").stdout)["host"]["name"], "node-17")
        self.assertIn("not the name of a host", run("probe", "--host", "a b;c").stderr)


class Formats(unittest.TestCase):
    def test_node_features_are_labels(self):
        name = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
        for machine in sorted(os.listdir(PROFILES)):
            r = run("llama-3.1-8b", "qwen3-32b", "--hardware", os.path.join(PROFILES, machine), "--format", "nfd")
            lines = [line for line in r.stdout.splitlines() if not line.startswith("#")]
            self.assertGreater(len(lines), 4)
            for line in lines:
                self.assertRegex(line, rf"^canirun\.io/{name}={name}$")
            self.assertEqual(len({line.split("=")[0] for line in lines}), len(lines))
        r = run("llama-3.1-8b", "--hardware", os.path.join(PROFILES, "server-2xa100.json"), "--format", "nfd").stdout
        self.assertIn("canirun.io/vram-gib=80\ncanirun.io/vram-total-gib=160\n", r)
        self.assertIn("canirun.io/llama-3.1-8b=S\n", r)

    def test_slurm_lines_have_no_operators_in_them(self):
        for machine in sorted(os.listdir(PROFILES)):
            r = run("llama-3.1-8b", "--hardware", os.path.join(PROFILES, machine), "--format", "slurm", "--host", "n1")
            node = next(line for line in r.stdout.splitlines() if line.startswith("NodeName="))
            values = dict(part.split("=", 1) for part in node.split())
            self.assertEqual(values["NodeName"], "n1")
            for feature in values.get("Feature", "x").split(","):
                self.assertRegex(feature, r"^[A-Za-z0-9_.-]+$")
            for gres in values.get("Gres", "gpu:x:1").split(","):
                self.assertRegex(gres, r"^gpu:[a-z0-9_.-]+:\d+$")
        r = run("llama-3.1-8b", "--hardware", os.path.join(PROFILES, "server-2xa100.json"), "--format", "slurm").stdout
        self.assertIn("NodeName=DEFAULT CPUs=128 RealMemory=524288 Gres=gpu:nvidia_a100_sxm4_80gb:2 Feature=vram80,", r)
        self.assertIn("Name=gpu Type=nvidia_a100_sxm4_80gb File=/dev/nvidia[0-1]", r)

    def test_every_metric_is_described_once_and_samples_are_unique(self):
        r = run("llama-3.1-8b", "qwen3-32b", "--hardware", os.path.join(PROFILES, "desktop-rtx4090-64g.json"), "--format", "prometheus")
        described, samples = [], []
        for line in r.stdout.splitlines():
            if line.startswith("# TYPE"):
                described.append(line.split()[2])
            elif not line.startswith("#"):
                self.assertRegex(line, r'^canirun_\w+(\{(\w+="[^"]*",?)*\})? [0-9.]+$')
                samples.append(line.rsplit(" ", 1)[0])
                self.assertEqual(re.match(r"\w+", line).group(), described[-1])
        self.assertEqual(len(set(described)), len(described))
        self.assertEqual(len(set(samples)), len(samples))
        for metric in ("probe_healthy", "gpu_memory_bytes", "model_grade", "model_generation_tokens_per_second"):
            self.assertIn("canirun_" + metric, described)
        used = set()
        for name in ("alerts.yml", "dashboard.json"):
            with open(os.path.join(TOP, "integrations", "prometheus", name), encoding="utf-8") as f:
                used |= set(re.findall(r"canirun_[a-z_]+", f.read()))
        self.assertEqual({u for u in used if u not in described}, set())


if __name__ == "__main__":
    unittest.main()
