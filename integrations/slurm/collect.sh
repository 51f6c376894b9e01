#!/bin/sh
# One profile a node: runs on every node of the allocation and writes DIR/NODE.json, which all nodes must see.
# usage: srun --nodes=N --ntasks-per-node=1 collect.sh DIR      (CANIRUN: the program, if it is not in PATH)
set -eu
dir=${1:?"usage: srun --ntasks-per-node=1 collect.sh DIR"}
mkdir -p "$dir"
exec "${CANIRUN:-canirun}" probe --host "${SLURMD_NODENAME:?"run it with srun or sbatch"}" -o "$dir/$SLURMD_NODENAME.json"
