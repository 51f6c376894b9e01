#!/bin/sh
# Writes the metrics of this machine for node_exporter's textfile collector, whole or not at all.
# usage: canirun-textfile.sh DIR MODEL...     (DIR: node_exporter's --collector.textfile.directory)
set -eu
dir=${1:?"usage: canirun-textfile.sh DIR MODEL..."}
shift
# canirun writes beside the file and renames it: the collector, which reads *.prom only, never sees half of it.
exec "${CANIRUN:-canirun}" "$@" --format prometheus -o "$dir/canirun.prom"
