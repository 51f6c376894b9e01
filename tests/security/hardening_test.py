"""The flags of docs/security.md are really in the binary, and the bill of materials names what is in it.
usage: hardening_test.py PROGRAM SBOM"""
import json
import os
import platform
import re
import subprocess
import sys
import unittest

PROGRAM, SBOM = (os.path.abspath(a) for a in sys.argv[1:3])
sys.argv[1:] = []


def readelf(*options):
    return subprocess.run(["readelf", "--wide", *options, PROGRAM], capture_output=True, text=True, check=True, timeout=60).stdout


class Hardening(unittest.TestCase):
    def test_it_is_position_independent(self):
        self.assertRegex(readelf("--file-header"), r"Type:\s+DYN")
        self.assertIn("PIE", readelf("--dynamic"))

    def test_relocations_are_read_only_and_bound_at_start(self):
        self.assertIn("GNU_RELRO", readelf("--program-headers"))
        self.assertRegex(readelf("--dynamic"), r"BIND_NOW|Flags:.*\bNOW\b")

    def test_the_stack_is_not_executable(self):
        stack = [line for line in readelf("--program-headers").splitlines() if "GNU_STACK" in line]
        self.assertEqual(len(stack), 1)
        self.assertNotIn("E", stack[0].split()[-2])

    def test_no_segment_is_writable_and_executable(self):
        for line in readelf("--program-headers").splitlines():
            if line.strip().startswith("LOAD"):
                self.assertNotRegex(line, r"RWE")

    def test_stack_protector_and_checked_calls_are_used(self):
        imported = readelf("--dyn-syms")
        self.assertIn("__stack_chk_fail", imported)
        self.assertRegex(imported, r"__(read|memcpy|pread|fgets|snprintf|vsnprintf)_chk")

    @unittest.skipUnless(platform.machine() == "x86_64", "CET is of x86-64")
    def test_control_flow_is_protected(self):
        """Our functions start with endbr64. The note that says so of the whole file needs every linked object to have it, and the
        distribution's static hwloc does not."""
        text = subprocess.run(["objdump", "--disassemble=main", "--no-show-raw-insn", PROGRAM], capture_output=True, text=True, check=True,
                              timeout=120).stdout
        if "<main>:" not in text:
            self.skipTest("the binary is stripped")
        self.assertRegex(text, r"<main>:\n\s*[0-9a-f]+:\s+endbr64")

    def test_it_needs_no_run_path(self):
        self.assertNotRegex(readelf("--dynamic"), r"R(UN)?PATH")


class BillOfMaterials(unittest.TestCase):
    def setUp(self):
        with open(SBOM, encoding="utf-8") as f:
            self.sbom = json.load(f)

    def test_it_is_spdx(self):
        self.assertEqual(self.sbom["spdxVersion"], "SPDX-2.3")
        self.assertRegex(self.sbom["creationInfo"]["created"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
        ids = [p["SPDXID"] for p in self.sbom["packages"]]
        self.assertEqual(len(ids), len(set(ids)))
        for relation in self.sbom["relationships"]:
            self.assertIn(relation["relatedSpdxElement"], ids)
        for package in self.sbom["packages"]:
            self.assertRegex(package["versionInfo"], r"\A\d+\.\d+")
            self.assertRegex(package["SPDXID"], r"\ASPDXRef-[A-Za-z0-9.-]+\Z")

    def test_it_names_every_library_that_the_binary_needs(self):
        names = {p["name"].lower() for p in self.sbom["packages"]}
        of_the_system = {"c", "m", "gcc_s", "stdc++", "udev", "dl", "pthread"}
        for needed in re.findall(r"NEEDED.*\[lib([^.]+)\.so", readelf("--dynamic")):
            if needed not in of_the_system:
                self.assertTrue(any(needed in name for name in names), needed)

    def test_its_versions_are_the_installed_ones(self):
        versions = {p["name"]: p["versionInfo"] for p in self.sbom["packages"]}
        for module, name in (("hwloc", "hwloc"), ("fmt", "fmt"), ("CLI11", "CLI11"), ("nlohmann_json", "nlohmann-json")):
            asked = subprocess.run(["pkg-config", "--modversion", module], capture_output=True, text=True, timeout=60)
            if asked.returncode == 0:
                self.assertEqual(versions[name], asked.stdout.strip())


if __name__ == "__main__":
    unittest.main()
