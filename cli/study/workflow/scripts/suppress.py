"""Mask counts below the threshold and write counts.csv and summary.json.

There is no total over masked cells: a total and the shown cells would give a single masked one away.
"""

import csv
import json
import sys


def main():
    threshold = int(sys.argv[2])
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    shown, masked, total = 0, 0, 0
    with open("counts.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["age_band", "year", "admissions"])
        for cell in cells:
            count = int(cell["admissions"])
            if 0 < count < threshold:
                masked += 1
                writer.writerow([cell["age_band"], cell["year"], f"<{threshold}"])
            else:
                shown += 1
                total += count
                writer.writerow([cell["age_band"], cell["year"], count])
    with open("summary.json", "w", encoding="utf-8") as file:
        summary = {"threshold": threshold, "cells_shown": shown, "cells_masked": masked, "admissions_in_cells_shown": total}
        json.dump(summary, file, indent=1, sort_keys=True)
        file.write("\n")


main()
