"""The Slurm scripts on a real cluster of this machine: munged, slurmctld and slurmd with the lines that `--format slurm` prints."""
import json
import os
import socket
import unittest

from program import INTEGRATIONS, PROFILES, PROGRAM, Integration, free_port

CONF = """ClusterName=canirun
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ctl}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1
GresTypes=gpu
{node}
PartitionName=all Nodes=ALL Default=YES State=UP
"""


class Slurm(Integration):
    def start(self, node_lines, gres):
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool"):
            os.mkdir(self.path(name), 0o755)
        self.write("slurm.conf", CONF.format(host=host, folder=self.folder, ctl=free_port(), node=node_lines))
        self.write("gres.conf", gres)
        self.write("cgroup.conf", "CgroupPlugin=cgroup/v1\n")
        key = os.open(self.path("munge.key"), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(key, os.urandom(128))
        os.close(key)
        self.env["SLURM_CONF"] = self.path("slurm.conf")
        self.service("/usr/sbin/munged", "--foreground", "--force", "--key-file=" + self.path("munge.key"), "--socket=" + self.path("munge.socket"),
                     "--pid-file=" + self.path("munged.pid"), "--log-file=" + self.path("munged.log"), "--seed-file=" + self.path("munged.seed"))
        self.eventually(lambda: os.path.exists(self.path("munge.socket")))
        self.service("/usr/sbin/slurmctld", "-D", "-f", self.path("slurm.conf"))
        self.eventually(lambda: "UP" in self.run_ok("scontrol", "ping"))
        self.service("/usr/sbin/slurmd", "-D", "-f", self.path("slurm.conf"), "-N", host)
        self.eventually(lambda: self.assertIn("State=IDLE", self.run_ok("scontrol", "show", "node", host)) or True)
        return host

    def test_collect_label_and_shard(self):
        host = socket.gethostname().split(".")[0]
        # The lines of this machine with a card it does not have: what slurm.conf takes is the question.
        lines = self.run_ok(PROGRAM, "llama-3.1-8b", "qwen3-32b", "--gpu", "RTX 4090", "--host", host, "--format", "slurm")
        node, gres = (part.strip().splitlines()[-1] for part in lines.split("# gres.conf"))
        self.assertRegex(node, rf"^NodeName={host} CPUs=\d+ RealMemory=\d+ Gres=gpu:\w+:1 Feature=vram24,")
        self.assertIn("Name=gpu Type=nvidia_geforce_rtx_4090 File=/dev/nvidia0", gres)
        self.start(node + f" NodeAddr=127.0.0.1 Port={free_port()}", gres.replace("/dev/nvidia0", "/dev/null") + "\n")

        shown = self.run_ok("scontrol", "show", "node", host)
        print(shown)
        self.assertIn("AvailableFeatures=vram24,nvidia_geforce_rtx_4090,llama-3.1-8b,llama-3.1-8b_S", shown)
        self.assertIn("Gres=gpu:nvidia_geforce_rtx_4090:1", shown)
        # A feature and a card are what jobs ask for.
        self.assertEqual(self.run_ok("srun", "--constraint=llama-3.1-8b_S&vram24", "--gres=gpu:1", "hostname").strip(), socket.gethostname())

        profiles, collect = self.path("profiles"), os.path.join(INTEGRATIONS, "slurm", "collect.sh")
        self.run_ok("srun", "--ntasks-per-node=1", collect, profiles)
        with open(os.path.join(profiles, host + ".json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f)["host"]["name"], host)
        by_array = self.path("by-array")
        print(self.run_ok("sbatch", "--wait", "--array=1-1", os.path.join(INTEGRATIONS, "slurm", "collect.sbatch"), by_array, collect))
        self.assertEqual(os.listdir(by_array), [host + ".json"])

        # Parts of an evaluation as an array job are, put together, the answer of one run.
        options = ["--model", "llama-3.1-8b", "--model", "llama-3.3-70b", "--model", "qwen3-32b", "--ctx", "4k"]
        self.run_ok("sbatch", "--wait", "--array=1-2", os.path.join(INTEGRATIONS, "slurm", "evaluate.sbatch"), PROFILES, self.path("out"), *options)
        parts = sorted(os.path.join(self.path("out"), name) for name in os.listdir(self.path("out")))
        self.assertEqual(len(parts), 2)
        merged = self.run_ok(PROGRAM, "fleet", "--merge", *parts, "--json")
        self.assertEqual(merged, self.run_ok(PROGRAM, "fleet", PROFILES, *options, "--json"))
        print(self.run_ok(PROGRAM, "fleet", "--merge", *parts))


if __name__ == "__main__":
    unittest.main()
