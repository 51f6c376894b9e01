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

PAGES = ["README.md", *sorted(glob.glob("docs/*.md", root_dir=TOP))]


class Readme(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        """A folder as a reader has it: a profile, a policy, the documentation, the program in PATH."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copy(MACHINE, os.path.join(self.folder, "machine.json"))
        shutil.copy(os.path.join(TOP, "docs", "ci", "policy.json"), self.folder)
        os.symlink(os.path.join(TOP, "docs"), os.path.join(self.folder, "docs"))
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
            commands += re.findall(r"\| `(canirun[^`]*)` \|$", text, re.M)
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

        for form in ("report-1", "reports-1", "policy-1", "error-1"):
            missing = [f for f in fields(json.loads(self.text(f"docs/schema/{form}.json"))) if not re.search(rf"[*\].]{f}\*", manual)]
            self.assertEqual(missing, [], form)

    def test_the_policy_that_is_shown_is_the_one_that_is_tested(self):
        self.assertIn(self.text("docs/ci/policy.json"), self.text("docs/ci.md"))


if __name__ == "__main__":
    unittest.main()
