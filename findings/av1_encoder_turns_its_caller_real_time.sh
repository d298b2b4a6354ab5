#!/usr/bin/env bash
# PyAV 18.1.0 (its wheel's FFmpeg, encoder libsvtav1), Linux, run as root, as in most containers.
#
# SVT-AV1 gives its worker threads real-time scheduling (SCHED_FIFO) where it may. It leaves the thread that asked for
# the encoder with it too: from the first frame on the caller itself is real-time, is so still after the film is closed
# and the container is gone, and so is whatever process or thread it starts from then on. With fewer cores than such
# threads everything that is scheduled as usual stands still meanwhile: heartbeats, databases, other workers. x264 in the
# same wheel changes nothing. Who encodes beside other work can put the policy back with os.sched_setscheduler.
#
# Seen (policy of the calling thread, and of a child that is started at the end; 0 is SCHED_OTHER, 1 is SCHED_FIFO):
#   libx264: first frame 0, closed 0, child 0
#   libsvtav1: first frame 1, closed 1, child 1
# Exit: 0 while this holds, 1 when it has changed, 2 where it cannot be seen (not root).
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "run it as root" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile av==18.1.0 numpy==2.4.6
cat > "$work/look.py" <<'PY'
import io, os, subprocess, sys
import av, numpy as np

codec, policies = sys.argv[1], []
with av.open(io.BytesIO(), "w", format="mp4") as container:
    stream = container.add_stream(codec, rate=30)
    stream.width = stream.height = 200
    stream.pix_fmt = "yuv420p"
    for shade in (0, 90, 200):
        frame = av.VideoFrame.from_ndarray(np.full((200, 200, 3), shade, np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        policies.append(os.sched_getscheduler(0))
    container.mux(stream.encode())
del container, stream
child = subprocess.run([sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"], stdout=subprocess.PIPE)
print(f"{codec}: first frame {policies[0]}, closed {os.sched_getscheduler(0)}, child {int(child.stdout)}")
PY
"$work/venv/bin/python" "$work/look.py" libx264 2> /dev/null | tee "$work/seen"
"$work/venv/bin/python" "$work/look.py" libsvtav1 2> /dev/null | tee -a "$work/seen"
diff - "$work/seen" <<'EOF'
libx264: first frame 0, closed 0, child 0
libsvtav1: first frame 1, closed 1, child 1
EOF
