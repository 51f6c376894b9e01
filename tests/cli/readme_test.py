"""Every `canirun` command that README and guides show runs, and the table of the README is the golden one."""
import os
import re
import shlex
import tempfile
import unittest

from program import MACHINE, TOP, run


class Readme(unittest.TestCase):
    def text(self, name):
        with open(os.path.join(TOP, name), encoding="utf-8") as f:
            return f.read()

    def runs(self, commands):
        self.assertGreater(len(commands), 2)
        with tempfile.TemporaryDirectory() as folder:
            for line in commands:
                words = shlex.split(re.split(r" \| | && | >> ", line)[0], comments=True)[1:]
                words = [MACHINE if w == "machine.json" and "--hardware" in words else w for w in words]
                r = run(*words, cwd=folder)
                self.assertIn(r.returncode, (0, 1) if set(words[:1]) & {"check", "plan"} else (0,), f"{line}\n{r.stderr}")

    def test_every_command_of_the_readme_runs(self):
        blocks = re.findall(r"```sh\n(.*?)```", self.text("README.md"), re.S)
        self.runs([line for block in blocks for line in block.splitlines() if line.startswith("canirun")])

    def test_every_command_of_the_pipelines_runs(self):
        self.runs(re.findall(r"^(?:[ -]*(?:run: )?)(canirun .*)$", self.text("docs/ci.md"), re.M))

    def test_every_example_of_the_commands_runs(self):
        self.runs(re.findall(r"\| `(canirun[^`]*)` \|$", self.text("docs/usage.md"), re.M))

    def test_the_shown_table_is_real(self):
        with open(os.path.join(TOP, "tests", "golden", "desktop-rtx3060-12g.table.txt"), encoding="utf-8") as f:
            self.assertIn(f.read(), self.text("README.md"))


if __name__ == "__main__":
    unittest.main()
