"""The GitHub Action and the GitLab template: their own shell steps run, with the program in PATH, as the two services run them."""
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml

import yaml

from program import MACHINE, PROGRAM, TOP, validate

POLICY = os.path.join(TOP, "docs", "ci", "policy.json")


def load(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return yaml.safe_load(f)


class Pipeline(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.bin)
        os.symlink(PROGRAM, os.path.join(self.bin, "canirun"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def stand_in(self, name, text):
        """A command that says how it was called."""
        with open(os.path.join(self.bin, name), "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(f.name, os.stat(f.name).st_mode | stat.S_IEXEC)

    def shell(self, command, environment):
        keep = {k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_"))}
        env = {**keep, "PATH": f"{self.bin}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": self.folder, **environment}
        return subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, timeout=120)


class GitHub(Pipeline):
    def run_action(self, **inputs):
        """What a runner does: inputs become the steps' variables, each step is `bash -e` with pipefail, the first failure ends the job."""
        action = load("action.yml")
        self.assertEqual(action["runs"]["using"], "composite")
        self.assertLessEqual(inputs.keys(), action["inputs"].keys())
        values = {f"inputs.{k}": inputs.get(k, v["default"]) for k, v in action["inputs"].items()}
        values["github.action_path"] = TOP
        files = {k: self.path(k) for k in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            open(file, "w", encoding="utf-8").close()
        said = ""
        for step in action["runs"]["steps"]:
            self.assertNotIn("${{", step["run"])  # an input is never shell text
            variables = {k: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: values[m[1]], v) for k, v in step["env"].items()}
            r = self.shell(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], {**files, **variables})
            said += r.stdout
            if r.returncode != 0:
                break
        return r.returncode, said, r.stderr

    def test_requirements_that_are_met(self):
        status, said, _ = self.run_action(models="llama-3.1-8b", options=f"--quant=Q4_K_M\n--min-grade=B\n--hardware={MACHINE}")
        self.assertEqual(status, 0)
        self.assertIn("::notice title=canirun::llama-3.1-8b Q4_K_M passes", said)
        self.assertIn("status=0", self.read("GITHUB_OUTPUT"))

    def test_a_requirement_that_is_not_met(self):
        status, said, _ = self.run_action(models="llama-3.1-8b llama-2-70b", options=f"--min-speed=20\n--gpu=RTX 3060\n--ram=32G")
        self.assertEqual(status, 1)
        self.assertEqual(said.count("::error title=canirun llama-2-70b"), 1)
        self.assertIn("| **FAIL** | llama-2-70b", self.read("GITHUB_STEP_SUMMARY"))
        suites = xml.parse(self.path("canirun.xml")).getroot()
        self.assertEqual((suites.get("tests"), suites.get("failures")), ("2", "1"))
        self.assertIn("status=1", self.read("GITHUB_OUTPUT"))

    def test_a_policy(self):
        status, said, _ = self.run_action(policy=POLICY, options="--hardware=" + MACHINE, junit="result.xml")
        self.assertEqual((status, said.count("::notice")), (0, 6))
        self.assertEqual([s.get("name") for s in xml.parse(self.path("result.xml")).getroot()],
                         ["canirun.laptop", "canirun.workstation", "canirun.workstation", "canirun.runner"])

    def test_a_wrong_question_fails_and_says_why(self):
        status, _, errors = self.run_action(models="no-such-model")
        self.assertEqual(status, 2)
        self.assertIn("no model is called 'no-such-model'", errors)
        self.assertEqual(self.read("GITHUB_STEP_SUMMARY"), "")

    def test_nothing_in_an_input_is_run(self):
        status, _, errors = self.run_action(models="$(touch taken)", options="; touch taken\n`touch taken`")
        self.assertEqual(status, 2, errors)
        self.assertFalse(os.path.exists(self.path("taken")))

    def test_a_package_is_installed(self):
        self.stand_in("sudo", 'echo "sudo $*"')
        status, said, _ = self.run_action(models="qwen3-8b", package="x.deb", options="--hardware=" + MACHINE)
        self.assertEqual(status, 0)
        self.assertIn(f"sudo apt-get install -y {self.folder}/x.deb", said)

    def test_without_a_program_it_is_built(self):
        os.unlink(os.path.join(self.bin, "canirun"))
        self.stand_in("cmake", f'echo "cmake $*"; [ "$1" != --install ] || ln -s "{PROGRAM}" "{self.bin}/canirun"')
        self.stand_in("sudo", '"$@"')
        self.stand_in("dpkg-query", "echo installed")
        status, said, errors = self.run_action(models="qwen3-8b", options="--hardware=" + MACHINE)
        self.assertEqual(status, 0, errors)
        self.assertEqual(re.findall("^cmake.*", said, re.M),
                         ["cmake --preset release", "cmake --build --preset release", "cmake --install build/release"])


class GitLab(Pipeline):
    def run_job(self, **variables):
        """What a runner does: before_script and script in one shell that ends at the first failure."""
        job = load("docs/ci/canirun.gitlab-ci.yml")[".canirun"]
        self.assertLessEqual(variables.keys(), job["variables"].keys())
        lines = ["set -e", *job["before_script"], *job["script"]]
        r = self.shell(["sh", "-c", "\n".join(lines)], {**job["variables"], **variables})
        self.reports = job["artifacts"]["reports"]
        return r.returncode, r.stdout, r.stderr

    def test_requirements_that_are_met(self):
        status, said, _ = self.run_job(CANIRUN_MODELS="llama-3.1-8b", CANIRUN_OPTIONS=f"-q Q4_K_M --min-grade B --hardware {MACHINE}")
        self.assertEqual(status, 0)
        self.assertIn("pass llama-3.1-8b Q4_K_M", said)
        self.assertEqual(json.loads(self.read(self.reports["codequality"])), [])

    def test_a_requirement_that_is_not_met(self):
        status, said, _ = self.run_job(CANIRUN_MODELS="llama-2-70b", CANIRUN_OPTIONS=f"--min-speed 20 --hardware {MACHINE}")
        self.assertEqual(status, 1)
        self.assertIn("FAIL llama-2-70b", said)
        (finding,) = json.loads(self.read(self.reports["codequality"]))
        self.assertEqual(finding["check_name"], "canirun/min-speed")
        self.assertEqual(xml.parse(self.path(self.reports["junit"])).getroot().get("failures"), "1")

    def test_a_policy(self):
        status, said, errors = self.run_job(CANIRUN_POLICY=POLICY)
        self.assertEqual((status, said.count("pass ")), (0, 6), errors)

    def test_a_wrong_question_fails_and_writes_no_report(self):
        status, _, errors = self.run_job(CANIRUN_MODELS="no-such-model")
        self.assertEqual(status, 2, errors)
        self.assertFalse(os.path.exists(self.path(self.reports["junit"])))

    def test_a_package_is_installed(self):
        self.stand_in("apt-get", 'echo "apt-get $*"')
        status, said, _ = self.run_job(CANIRUN_PACKAGE="x.deb", CANIRUN_MODELS="qwen3-8b", CANIRUN_OPTIONS="--hardware " + MACHINE)
        self.assertEqual(status, 0)
        self.assertIn(f"apt-get install -y {self.folder}/x.deb", said)


class Policy(unittest.TestCase):
    def test_the_example_follows_its_schema(self):
        with open(POLICY, encoding="utf-8") as f:
            validate(json.load(f), "policy-1")


if __name__ == "__main__":
    unittest.main()
