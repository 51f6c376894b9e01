"""The real program on machines that are hard to examine: broken drivers, missing files, no rights, very many GPUs."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "cli"))
LIBRARIES = dict(zip(("mock_icd", "fake_nvml"), map(os.path.abspath, sys.argv[3:5])))
del sys.argv[3:5]
from program import PROGRAM, SANITIZED, validate  # noqa: E402  (it takes its two arguments itself)


class Machine:
    """A folder that stands for `/`, and drivers that answer from files; `environment` leads the program to both."""

    def __init__(self, vulkan=(), nvml=None, files=None):
        self.folder = tempfile.mkdtemp(prefix="canirun-program-")
        os.chmod(self.folder, 0o755)
        self.root = os.path.join(self.folder, "root")
        os.mkdir(self.root)
        for name, text in (files or {}).items():
            self.write(os.path.join("root", name), text)
        manifests = []
        for driver in vulkan:
            base = os.path.join("drivers", driver["name"])
            self.write(os.path.join(base, "devices.json"), json.dumps(driver))
            library = os.path.join(self.folder, base, "libmock.so")
            shutil.copy(LIBRARIES["mock_icd"], library)
            icd = {"file_format_version": "1.0.0", "ICD": {"library_path": library, "api_version": "1.3.0"}}
            self.write(os.path.join(base, driver["name"] + "_icd.json"), json.dumps(icd))
            manifests.append(os.path.join(self.folder, base, driver["name"] + "_icd.json"))
        drivers = ":".join(manifests) or "/nonexistent/icd.json"
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        self.environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "CANIRUN_SYSROOT": self.root, "HOME": self.home,
                            "VK_DRIVER_FILES": drivers, "VK_ICD_FILENAMES": drivers,
                            "CANIRUN_NVML_LIB": "/nonexistent/libnvidia-ml.so.1"}
        self.environment.update({k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_"))})
        if nvml is not None:
            self.write("drivers/nvml/nvml.json", json.dumps(nvml))
            library = os.path.join(self.folder, "drivers", "nvml", "libnvidia-ml.so.1")
            shutil.copy(LIBRARIES["fake_nvml"], library)
            self.environment["CANIRUN_NVML_LIB"] = library

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def run(self, *arguments, **keywords):
        return subprocess.run([PROGRAM, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, **keywords)

    def probe(self, *arguments):
        r = self.run("probe", "--json", *arguments)
        assert r.returncode == 0 and r.stderr == "", r.stderr
        profile = json.loads(r.stdout)
        validate(profile, "hardware-1")
        return profile

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def radeon(**more):
    return {"name": "good", "devices": [{"name": "AMD Radeon RX 7800 XT", "vendor": "1002", "device": "747e", "type": 2, "driver": "radv",
                                         "driver_id": 3, "pci": "0000:03:00.0", "heaps": [{"size": 17163091968, "local": True}]}], **more}


def children(machine):
    """Processes that the program started for this machine's drivers."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as f, open(f"/proc/{process}/environ", "rb") as e:
                if b"--probe-child=" in f.read() and machine.folder.encode() in e.read():
                    found.append(int(process))
        except OSError:
            pass
    return found


class Hanging(unittest.TestCase):
    def test_nothing_is_left_running_when_the_program_is_interrupted(self):
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with Machine([radeon(), {"name": "bad", "mode": "hang"}], {"mode": "hang"}) as machine:
                program = subprocess.Popen([PROGRAM, "probe", "--probe-timeout", "60000"], env=machine.environment,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                end = time.monotonic() + 20
                while len(children(machine)) < 2 and time.monotonic() < end:
                    time.sleep(0.02)
                self.assertEqual(len(children(machine)), 2)
                program.send_signal(how)
                program.wait()
                end = time.monotonic() + 20
                while children(machine) and time.monotonic() < end:
                    time.sleep(0.02)
                self.assertEqual(children(machine), [], how)

    def test_two_hanging_drivers_cost_the_deadline_and_not_the_third(self):
        with Machine([{"name": "bad", "mode": "hang"}, radeon()], {"mode": "hang"}) as machine:
            profile = machine.probe("--probe-timeout", "1200")
            self.assertEqual([g["name"] for g in profile["gpus"]], ["AMD Radeon RX 7800 XT"])
            notes = " ".join(n["text"] for n in profile["notes"])
            self.assertIn("bad_icd.json did not answer in time", notes)
            self.assertIn("NVIDIA's management library did not answer in time", notes)
            self.assertEqual(children(machine), [])


class Bare(unittest.TestCase):
    def test_nothing_is_written_but_the_cache(self):
        with Machine([radeon()]) as machine:
            for arguments in (["probe"], ["doctor"], ["llama-3.1-8b"]):
                self.assertEqual(machine.run(*arguments, cwd=machine.home).returncode, 0)
            self.assertEqual(os.listdir(machine.home), [])
            del machine.environment["CANIRUN_SYSROOT"]  # measuring is of this machine
            self.assertEqual(machine.run("probe", "--no-gpu", "--measure", cwd=machine.home).returncode, 0)
            written = [os.path.join(d, f) for d, _, files in os.walk(machine.home) for f in files]
            self.assertIn(written, ([os.path.join(machine.home, ".cache/canirun/measured.json")], []))  # none where memory is short

    def test_a_home_that_does_not_exist_is_not_made(self):
        with Machine() as machine:
            del machine.environment["CANIRUN_SYSROOT"]
            machine.environment["HOME"] = os.path.join(machine.folder, "nobody")
            self.assertEqual(machine.run("probe", "--no-gpu", "--measure").returncode, 0)
            self.assertFalse(os.path.exists(machine.environment["HOME"]))
            del machine.environment["HOME"]
            self.assertEqual(machine.run("probe", "--no-gpu", "--measure").returncode, 0)

    @unittest.skipIf(os.geteuid() != 0, "only root can become another user")
    def test_an_ordinary_user_gets_the_same_answer(self):
        with Machine([radeon()]) as machine:
            shutil.copy(PROGRAM, os.path.join(machine.folder, "canirun"))
            r = subprocess.run([os.path.join(machine.folder, "canirun"), "probe", "--json"], env=machine.environment, cwd=machine.folder,
                               capture_output=True, text=True, timeout=60, user=65534, group=65534, extra_groups=[])
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            self.assertEqual(json.loads(r.stdout), machine.probe())

    @unittest.skipIf(SANITIZED, "sanitizers themselves need /proc")
    @unittest.skipIf(os.geteuid() != 0 or shutil.which("unshare") is None, "only root can hide /proc, /sys and /dev")
    def test_without_proc_sys_and_dev_the_memory_and_a_named_driver_are_still_known(self):
        with Machine([radeon()]) as machine:
            del machine.environment["CANIRUN_SYSROOT"]
            hidden = "for d in /proc /sys /dev; do mount -t tmpfs none $d || exit 77; done; exec \"$@\""
            r = subprocess.run(["unshare", "-m", "sh", "-c", hidden, "sh", PROGRAM, "probe", "--json"], env=machine.environment,
                               capture_output=True, text=True, timeout=60)
            if r.returncode in (1, 77) and not r.stdout:
                self.skipTest("no namespace of mounts here")
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            profile = json.loads(r.stdout)
            self.assertGreater(profile["memory"]["total_bytes"], 1 << 28)
            self.assertEqual([g["name"] for g in profile["gpus"]], ["AMD Radeon RX 7800 XT"])


class Many(unittest.TestCase):
    def test_two_hundred_cards(self):
        cards = [{"name": "NVIDIA A100-SXM4-80GB", "pci": f"{i // 20:08x}:{i % 20 + 1:02x}:00", "device": "20b2", "total_mib": 81920,
                  "free_mib": 81000, "uuid": f"GPU-{i:08x}-1111-2222-3333-444455556666", "bus_width": 5120, "memory_clock": 1593, "cc": [8, 0]}
                 for i in range(200)]
        with Machine(nvml={"cards": cards}) as machine:
            gpus = machine.probe("--probe-timeout", "20000")["gpus"]
            self.assertEqual(len({g["pci_address"] for g in gpus}), 200)
            self.assertEqual(gpus[0]["pci_address"], "0000:01:00.0")
            r = machine.run("llama-3.3-70b", "-q", "F16", "--json", "--probe-timeout", "20000")
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            report = json.loads(r.stdout)
            self.assertIn("one run of llama.cpp uses 15 of the 200 GPUs at most", " ".join(report["models"][0]["notes"]))
            self.assertGreater(report["models"][0]["quants"][0]["memory"]["total_bytes"], 1 << 37)


class Doctor(unittest.TestCase):
    def test_the_document_follows_its_schema_and_holds_what_each_source_said(self):
        with Machine([radeon(), {"name": "bad", "mode": "crash"}], {"cards": []}, {"proc/meminfo": "MemTotal: 32000000 kB\n"}) as machine:
            machine.environment["CUDA_VISIBLE_DEVICES"] = "GPU-deadbeef-1234-5678-9abc-def012345678"
            if SANITIZED:  # the driver's crash is a signal, not a report of the sanitizer
                machine.environment["ASAN_OPTIONS"] += ":handle_segv=0"
            r = machine.run("doctor", "--json")
            self.assertEqual((r.returncode, r.stderr), (0, ""))
            document = json.loads(r.stdout)
            validate(document, "doctor-1")
            validate(document["hardware"], "hardware-1")
            read = {(x["source"], x["key"]): x["value"] for x in document["readings"]}
            self.assertEqual(read["memory", "MemTotal"], str(32000000 * 1024))
            self.assertIn("17163091968", read["vulkan", "memory heap 0"])
            self.assertEqual(read["surroundings", "CUDA_VISIBLE_DEVICES"], "GPU-deadbeef...")
            decided = {x["what"]: x for x in document["decisions"]}
            self.assertEqual(decided["table entry"]["chosen"], "radeon-rx-7800-xt")
            self.assertIn("bad_icd.json crashed (signal 11)", r.stdout)
            self.assertNotIn(machine.home, r.stdout)
            text = machine.run("doctor").stdout
            for x in document["decisions"]:
                self.assertIn(x["reason"], text)

    def test_what_is_not_there_is_said(self):
        files = {"proc/meminfo": "MemTotal: 32000000 kB\n", "proc/cpuinfo": "processor: 0\nmodel name: CPU\ncore id: 0\n\n",
                 "sys/bus/pci/devices/0000:00:03.0/class": "0x020000\n"}
        with Machine(files=files) as machine:
            text = machine.run("doctor").stdout
            self.assertIn("display controllers and accelerators = none among 1 PCI devices", text)
            self.assertIn("no GPU\n", text)
            section = text[text.index("\nnotes\n") + 7:text.index("times\n")]
            self.assertTrue(section.strip(), text)  # never empty: notes, or that there are none

    def test_it_examines_this_machine_only(self):
        with Machine() as machine:
            r = machine.run("doctor", "--gpu", "RTX 4090")
            self.assertEqual(r.returncode, 2)
            self.assertIn("--gpu", r.stderr)


class Terminal(unittest.TestCase):
    def test_names_do_not_reach_the_terminal_as_commands(self):
        evil = radeon()
        evil["devices"][0]["name"] = "Evil\x1b]0;title\x07\x1b[31m GPU\u009b1m\r\n"
        with Machine([evil]) as machine:
            for arguments in (["probe"], ["doctor"], ["llama-3.1-8b", "-q", "Q4_K_M"], ["probe", "--json"], ["doctor", "--json"]):
                out = machine.run(*arguments).stdout
                self.assertIn("Evil", out)
                self.assertFalse([c for c in out if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0], arguments)


if __name__ == "__main__":
    unittest.main()
