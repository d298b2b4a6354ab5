#!/bin/sh
# All that a GPU has to tell, in at most 12 minutes on one H200: sh benchmarks/gpu_day.sh [--dry] [OUT.json]
# Each section is a process with a limit of its own (seconds); what does not end in time is noted and the next one runs.
# --dry: the same sections at tiny size on the processor, with the same keys: it proves that the script runs, no more.
# Processors are slower than what the limits are for, and busy: five times as long there.
cd "$(dirname "$0")/.." || exit 2
python=.venv/bin/python
[ -x "$python" ] || python=python3
dry=
times=1
if [ "$1" = --dry ]; then dry=--dry; times=5; shift; export CUDA_VISIBLE_DEVICES=; fi
out=${1:-benchmarks/results/gpu_day.json}
"$python" -m benchmarks.gpu_day begin --out "$out" $dry || exit $?
while read -r section limit; do
    timeout --kill-after=5 $((limit * times)) "$python" -m benchmarks.gpu_day "$section" --out "$out" $dry
    "$python" -m benchmarks.gpu_day ended --out "$out" --section "$section" --code $?
done <<SECTIONS
digests 150
steps 250
checkpoint 80
decode 80
ranks 40
detector 60
SECTIONS
exec "$python" -m benchmarks.gpu_day end --out "$out"
