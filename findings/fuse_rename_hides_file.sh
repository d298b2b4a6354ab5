#!/usr/bin/env bash
# bindfs 1.14.7-1 with libfuse2 2.9.9-6+b1 (Debian 12, amd64, Linux). As root, with /dev/fuse.
#
# A file that is replaced by rename(2) is never missing for who reads it, says POSIX; programs that publish checkpoints,
# leases and progress files rest on that. Through a FUSE mount whose driver uses libfuse's path-based interface it is:
# the kernel first looks the name up and gets a number for it, then opens that number; where the file was replaced
# between the two, the library finds that the number has no name any more, and open(2) fails with ENOENT (a file system
# that answers ESTALE instead is asked again by the kernel). It takes a reader and a writer on the same mount. Where
# either of them uses the folder below, no open fails; neither `attr_timeout=0,entry_timeout=0` nor `hard_remove` helps.
# Who reads what others replace there has to look more than once before "it is not there" is a fact.
#
# Seen (4000 replacements; a reader opens the name all the while):
#   folder below 317413 opens, 0 failed; writer below 2939, 0; reader below 977994, 0; both on the mount 13256, 2752
# Exit: 0 while this holds, 1 when it has changed, 77 without root or /dev/fuse.
set -euo pipefail
[ "$(id -u)" = 0 ] && [ -e /dev/fuse ] || exit 77
work=$(mktemp -d)
trap 'umount "$work/mount" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
apt-get download --quiet bindfs=1.14.7-1 libfuse2=2.9.9-6+b1 >/dev/null
for package in ./*.deb; do dpkg-deb --extract "$package" "$work/root"; done
mkdir below mount
LD_LIBRARY_PATH=$(echo "$work"/root/lib/*-linux-gnu) "$work/root/usr/bin/bindfs" "$work/below" "$work/mount"
python3 - "$work/below" "$work/mount" <<'PY'
import os
import sys
import threading


def failures(writer, reader, replacements=4000):
    """(opens, opens that failed) of a name while another thread replaces its file."""
    place = os.path.join(writer, "name")
    open(place, "w").close()
    counts, over = [0, 0], threading.Event()

    def read():
        while not over.is_set():
            counts[0] += 1
            try:
                open(os.path.join(reader, "name")).close()
            except FileNotFoundError:
                counts[1] += 1

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(replacements):
        with open(place + ".new", "w") as stream:
            stream.write(str(number))
        os.replace(place + ".new", place)
    over.set()
    thread.join()
    return counts


below, mount = sys.argv[1:]
seen = {
    "folder below": failures(below, below), "writer below": failures(below, mount),
    "reader below": failures(mount, below), "both on the mount": failures(mount, mount),
}
print("; ".join(f"{where} {opens} opens, {failed} failed" for where, (opens, failed) in seen.items()))
sys.exit(0 if [failed > 0 for _, failed in seen.values()] == [False, False, False, True] else 1)
PY
