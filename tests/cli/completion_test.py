"""Completions in the shells themselves: bash and zsh on a pseudo-terminal where somebody types TAB, fish by its own `complete -C`."""
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

from program import ENVIRONMENT, PROGRAM, run


class Shell(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.symlink(PROGRAM, os.path.join(self.folder, "canirun"))
        self.env = {**ENVIRONMENT, "PATH": f"{self.folder}:/usr/bin:/bin", "HOME": self.folder, "ZDOTDIR": self.folder, "TERM": "dumb",
                    "COLUMNS": "200", "LINES": "50", "PS1": "> "}

    def script(self, shell, name):
        path = os.path.join(self.folder, name)
        self.assertEqual(run("completion", shell, "-o", path).returncode, 0)
        return path

    def completed(self, command, setup, typed):
        """The words of the line after TAB, as the shell passes them on."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.execvpe(command[0], command, self.env)
        try:
            self.send(terminal, setup + "; echo REA''DY\n", "READY\r?\n")
            # The completed words become the arguments of a function that prints them.
            self.send(terminal, "canirun() { printf 'GOT:%s|' \"$@\"; echo :END; }; echo REA''DY\n", "READY\r?\n")
            os.write(terminal, typed.encode() + b"\t")
            time.sleep(0.1)
            said = self.send(terminal, "\n", ":END")
            return re.findall(r"GOT:(.*?)\|", said)
        finally:
            os.close(terminal)
            os.waitpid(child, 0)

    def send(self, terminal, text, until):
        os.write(terminal, text.encode())
        said, end = "", time.monotonic() + 60
        while time.monotonic() < end and not re.search(until, said):
            if select.select([terminal], [], [], 0.2)[0]:
                said += os.read(terminal, 65536).decode(errors="replace")
        self.assertRegex(said, until)
        return said


class Bash(Shell):
    def complete(self, typed):
        # The function of the program's name would answer the completion's own calls: they are given the program.
        script = self.script("bash", "bash.sh")
        setup = f"PS1='> '; sed -i 's|canirun gpus|{PROGRAM} gpus|; s|canirun models|{PROGRAM} models|' {script}; . {script}"
        return self.completed(["bash", "--norc", "--noprofile", "-i"], setup, typed)

    def test_a_model(self):
        self.assertEqual(self.complete("canirun qwen2.5-coder-3"), ["qwen2.5-coder-3"])  # 3b and 32b: both stay
        self.assertEqual(self.complete("canirun qwen2.5-coder-32"), ["qwen2.5-coder-32b"])

    def test_a_gpu_whose_name_has_spaces(self):
        self.assertEqual(self.complete("canirun --gpu '7900 GRE"), ["--gpu", "Radeon RX 7900 GRE"])
        self.assertEqual(self.complete("canirun --gpu 7900\\ GRE"), ["--gpu", "Radeon RX 7900 GRE"])

    def test_options_commands_and_values(self):
        self.assertEqual(self.complete("canirun --cache-type-k q8"), ["--cache-type-k", "q8_0"])
        self.assertEqual(self.complete("canirun --min-sp"), ["--min-speed"])
        self.assertEqual(self.complete("canirun chec"), ["check"])
        self.assertEqual(self.complete("canirun --format prom"), ["--format", "prometheus"])
        open(os.path.join(self.folder, "machine.json"), "w", encoding="utf-8").close()
        self.assertEqual(self.complete("canirun --hardware mach"), ["--hardware", "machine.json"])


class Zsh(Shell):
    def complete(self, typed):
        script = self.script("zsh", "_canirun")
        setup = (f"PS1='> '; sed -i 's|canirun gpus|{PROGRAM} gpus|; s|canirun models|{PROGRAM} models|' {script}; "
                 f"fpath=({self.folder} $fpath); autoload -Uz compinit; compinit -u -D")
        return self.completed(["zsh", "-f", "-i"], setup, typed)

    def test_a_model(self):
        self.assertEqual(self.complete("canirun qwen2.5-coder-32"), ["qwen2.5-coder-32b"])

    def test_a_gpu_whose_name_has_spaces(self):
        self.assertEqual(self.complete("canirun --gpu 7900\\ GRE"), ["--gpu", "Radeon RX 7900 GRE"])

    def test_options_commands_and_values(self):
        self.assertEqual(self.complete("canirun --cache-type-k q8"), ["--cache-type-k", "q8_0"])
        self.assertEqual(self.complete("canirun --min-sp"), ["--min-speed"])
        self.assertEqual(self.complete("canirun chec"), ["check"])


class Fish(Shell):
    def complete(self, typed):
        script = self.script("fish", "canirun.fish")
        r = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{typed}'"], env=self.env, cwd=self.folder,
                           capture_output=True, text=True, timeout=60)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        return [line.split("\t")[0] for line in r.stdout.splitlines()]

    def test_models_gpus_options_and_values(self):
        self.assertEqual(self.complete("canirun qwen2.5-coder-3"), ["qwen2.5-coder-32b", "qwen2.5-coder-3b"])
        self.assertIn("Radeon RX 7900 GRE", self.complete("canirun --gpu 7900"))
        self.assertEqual(self.complete("canirun --cache-type-k q8"), ["q8_0"])
        self.assertEqual(self.complete("canirun --min-sp"), ["--min-speed"])
        self.assertIn("check", self.complete("canirun chec"))


class Everywhere(unittest.TestCase):
    def test_every_option_of_the_help_is_in_every_script(self):
        options = set(re.findall(r"(?<=[ ,])--[a-z][a-z-]*", run("--help").stdout.split("Examples")[0]))
        self.assertGreater(len(options), 40)
        for shell in ("bash", "zsh", "fish"):
            script = run("completion", shell).stdout
            missing = [o for o in options if o not in script and f"-l {o[2:]} " not in script]
            self.assertEqual(missing, [], shell)


if __name__ == "__main__":
    unittest.main()
