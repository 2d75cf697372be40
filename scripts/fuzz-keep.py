"""Packs what a fuzzer found into one file, always the same one: fuzz-keep.py ZIP LEAST MOST.

Of the folder LEAST, those files go into ZIP that the fuzzer itself has named, the smallest first, while they have MOST bytes
together. Thousands of files of a hundred bytes each would make the repository slow, and a date in them would change it.
"""

import pathlib
import re
import sys
import zipfile

target, least, most = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
found = [path for path in least.iterdir() if re.fullmatch("[0-9a-f]{40}", path.name)]
# A path of the machine on which something was found says nothing to anybody else.
inputs = [(path.name, path.read_bytes()) for path in found]
inputs = [(name, data) for name, data in inputs if not re.search(rb"/(root|home)/", data)]
inputs.sort(key=lambda one: (len(one[1]), one[0]))
kept, total = [], 0
for name, data in inputs:
    total += len(data)
    if total > most:
        break
    kept.append((name, data))
target.parent.mkdir(exist_ok=True)
target.unlink(missing_ok=True)
if kept:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=zipfile.ZIP_DEFLATED)
size = target.stat().st_size if kept else 0
print(f"{target.stem}: {len(kept)} of {len(inputs)} inputs are kept, {sum(len(data) for _, data in kept)} bytes, packed {size}")
