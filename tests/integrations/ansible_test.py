"""The facts script and the playbook by the real ansible-playbook, on this machine."""
import json
import os
import subprocess
import unittest

from program import INTEGRATIONS, PROGRAM, Integration

FOLDER = os.path.join(INTEGRATIONS, "ansible")


class Ansible(Integration):
    def setUp(self):
        super().setUp()
        self.env.update(ANSIBLE_LOCAL_TEMP=self.path("local"), ANSIBLE_REMOTE_TEMP=self.path("remote"), ANSIBLE_NOCOLOR="1", ANSIBLE_HOME=self.path("home"))
        self.inventory = self.write("inventory", "node-1 ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n")
        self.write("models", "# what we watch\nllama-3.1-8b\nllama-3.3-70b\n")
        self.env["CANIRUN_MODELS_FILE"] = self.path("models")

    def playbook(self, *policy):
        settings = {"canirun_program": PROGRAM, "canirun_profiles": self.path("profiles"), "canirun_facts_dir": self.path("facts.d"),
                    "canirun_config_dir": self.path("config"), "canirun_policy": list(policy)}
        os.makedirs(self.path("profiles"), exist_ok=True)
        return subprocess.run(["ansible-playbook", "-i", self.inventory, "-e", json.dumps(settings), os.path.join(FOLDER, "playbook.yml")], env=self.env, text=True, capture_output=True, timeout=300)

    def test_the_facts_are_what_canirun_says(self):
        facts = json.loads(self.run_ok(os.path.join(FOLDER, "canirun.fact")))
        self.assertEqual(facts["hardware"]["schema"], "canirun.hardware/1")
        self.assertEqual(sorted(facts["models"]), ["llama-3.1-8b", "llama-3.3-70b"])

    def test_a_host_without_canirun_says_so(self):
        self.env["CANIRUN"] = "/nonexistent"
        self.assertIn("error", json.loads(self.run_ok(os.path.join(FOLDER, "canirun.fact"))))

    def test_the_playbook_gathers_profiles_and_facts(self):
        r = self.playbook("--min-grade", "F")
        print(r.stdout)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        with open(self.path("profiles", "node-1.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f)["host"]["name"], "node-1")
        shown = self.run_ok("ansible", "-i", self.inventory, "node-1", "-m", "ansible.builtin.setup", "-a", f"filter=ansible_local fact_path={self.path('facts.d')}")
        self.assertIn("canirun.hardware/1", shown)
        self.assertIn("1 machine in 1 class", self.run_ok(PROGRAM, "fleet", self.path("profiles"), "--model", "llama-3.1-8b"))
        again = self.playbook("--min-grade", "F")
        self.assertRegex(again.stdout, r"changed=[01] ")  # free memory differs from probe to probe, nothing else

    def test_a_host_that_misses_the_policy_fails(self):
        r = self.playbook("--min-speed", "100000")
        self.assertEqual(r.returncode, 2, r.stdout + r.stderr)
        self.assertIn("Fail hosts that miss the policy", r.stdout)
        self.assertIn("failed=1", r.stdout)


if __name__ == "__main__":
    unittest.main()
