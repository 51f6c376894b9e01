"""README and guides are true: every `canirun` command in them runs, and what a ```console block shows is what the program prints
(CANIRUN_UPDATE_GOLDEN=1 rewrites the blocks)."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from program import ENVIRONMENT, MACHINE, PROGRAM, TOP

PAGES = ["README.md", *sorted([*glob.glob("docs/*.md", root_dir=TOP), *glob.glob("docs/fleet/*.md", root_dir=TOP)])]
# The shapes of Llama 3.2 1B, as its config.json states them.
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
          "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
          "max_position_embeddings": 131072, "tie_word_embeddings": True}
# What stands for something else in a sentence is not run.
PLACEHOLDER = r"\b(MODEL|FILE|NAME|COMMAND|SHELL|ID|GOAL|PROFILE|TARGET|KIND|FOLDER)\b|\./|\|| --probe-child|file\.gguf|^canirun check$|\.\.\."


class Readme(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        """A folder as a reader has it: a profile, a policy, the documentation, the program in PATH."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("machine.json", "other.json"):
            shutil.copy(MACHINE, os.path.join(self.folder, name))
        with open(os.path.join(self.folder, "config.json"), "w", encoding="utf-8") as f:
            json.dump(CONFIG, f)
        entry = subprocess.run([PROGRAM, "models", "import", "config.json"], cwd=self.folder, capture_output=True, text=True, timeout=60)
        imported = json.loads(entry.stdout)
        entry = {**imported["models"][0], "id": "my-model", "confidence": "exact", "family": "llama",
                 "license": "llama3.2", "release": "2024-09"}
        with open(os.path.join(self.folder, "mine.json"), "w", encoding="utf-8") as f:
            json.dump({**imported, "models": [entry]}, f)
        shutil.copytree(os.path.join(TOP, "data"), os.path.join(self.folder, "data"))
        shutil.copy(os.path.join(TOP, "docs", "ci", "policy.json"), self.folder)
        os.symlink(os.path.join(TOP, "docs"), os.path.join(self.folder, "docs"))
        os.mkdir(os.path.join(self.folder, "profiles"))
        for name in ("desktop-rtx3060-12g.json", "vm-no-gpu.json"):
            shutil.copy(os.path.join(os.path.dirname(MACHINE), name), os.path.join(self.folder, "profiles"))
        os.mkdir(os.path.join(self.folder, "bin"))
        os.symlink(PROGRAM, os.path.join(self.folder, "bin", "canirun"))

    def text(self, name):
        with open(os.path.join(TOP, name), encoding="utf-8") as f:
            return f.read()

    def run_words(self, line):
        words = shlex.split(re.split(r" \| | && | >> ", line)[0], comments=True)
        r = subprocess.run([PROGRAM, *words[1:]], cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
        gate = words[1:2] and words[1] in ("check", "plan")
        self.assertIn(r.returncode, (0, 1) if gate else (0,), f"{line}\n{r.stderr}")
        return r.stdout

    def test_every_command_runs(self):
        commands = []
        for page in PAGES:
            text = self.text(page)
            for block in re.findall(r"```(?:sh|yaml)\n(.*?)```", text, re.S):
                commands += re.findall(r"^(?:[ -]*(?:run: )?)(canirun .*)$", block, re.M)
            prose = re.sub(r"```.*?```", "", text, flags=re.S)
            commands += [c for c in re.findall(r"`(canirun(?: [^`]*)?)`", prose) if not re.search(PLACEHOLDER, c)]
        self.assertGreater(len(commands), 30)
        for line in dict.fromkeys(commands):
            with self.subTest(line):
                self.run_words(line)

    def test_what_the_pages_show_is_what_the_program_prints(self):
        shown = 0
        for page in PAGES:
            text = self.text(page)

            def real(block):
                nonlocal shown
                shown += 1
                commands = re.findall(r"^\$ (canirun.*)$", block[1], re.M)
                for command in commands:
                    self.assertIn("--hardware", command, f"{page}: what it prints must not depend on who reads it")
                return "```console\n" + "".join(f"$ {c}\n{self.run_words(c)}" for c in commands) + "```"

            expected = re.sub(r"```console\n(.*?)```", real, text, flags=re.S)
            if os.environ.get("CANIRUN_UPDATE_GOLDEN"):
                with open(os.path.join(TOP, page), "w", encoding="utf-8") as f:
                    f.write(expected)
            self.assertEqual(expected, text if not os.environ.get("CANIRUN_UPDATE_GOLDEN") else self.text(page), page)
        self.assertGreater(shown, 1)

    def test_every_link_of_the_pages_leads_somewhere(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", self.text(page)):
                self.assertTrue(os.path.exists(os.path.join(TOP, os.path.dirname(page), target)), f"{page}: {target}")

    def test_the_manual_names_every_field_of_the_documents(self):
        manual = self.text("docs/man/canirun-json.5.md")

        def fields(schema):
            for name, value in schema.get("properties", {}).items():
                yield name
                yield from fields(value)
            for inner in ("items", "additionalProperties"):
                if isinstance(schema.get(inner), dict):
                    yield from fields(schema[inner])

        for form in ("report-1", "reports-1", "fleet-1", "hardware-1", "doctor-1", "verify-1", "plan-1", "policy-1", "error-1"):
            missing = [f for f in fields(json.loads(self.text(f"docs/schema/{form}.json"))) if not re.search(rf"[*\].]{f}\*", manual)]
            self.assertEqual(missing, [], form)

    def test_the_policy_that_is_shown_is_the_one_that_is_tested(self):
        self.assertIn(self.text("docs/ci/policy.json"), self.text("docs/ci.md"))


if __name__ == "__main__":
    unittest.main()
