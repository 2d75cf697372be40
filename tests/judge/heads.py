#!/usr/bin/env python3
"""The root over the heads of all streams of a log, as `heads-committed` has it; see docs/EVENTS.md.

    heads.py ENTRIES...

Each file ENTRIES holds one event (a compact JWS) a line, in the order of a log. Prints for each one line of canonical JSON: `heads`, the root, and
`streams`, the number of leaves. Checks no signature and no rule: that is for judge.py.
"""

import hashlib
import pathlib
import sys

from form import canonical, enbase64, parse


def root(leaves):
    """RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:middle]) + root(leaves[middle:])).digest()


def main(files):
    for file in files:
        entries = map(parse, pathlib.Path(file).read_text("utf-8").splitlines())
        heads = {entry["sub"]: [entry["sub"], entry["seq"], entry["leaf"]] for entry in entries}
        leaves = [canonical(head).encode() for _, head in sorted(heads.items())]
        print(canonical({"heads": enbase64(root(leaves)), "streams": len(leaves)}))


if __name__ == "__main__":
    main(sys.argv[1:])
