"""Count emergency asthma admissions by age band and year; write cells.csv, one line for each cell, zeros included."""

import csv
import sys

BANDS = [(0, 4), (5, 17), (18, 39), (40, 64), (65, 79), (80, 120)]


def band(age):
    for low, high in BANDS:
        if low <= age <= high:
            return f"{low}-{high}" if high < 120 else f"{low}+"
    raise SystemExit(f"age {age} is outside 0 to 120")


def main():
    counts = {}
    years = set()
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            year = int(row["admitted"][:4])
            years.add(year)
            if row["method"] == "emergency" and row["diagnosis"][:3] in ("J45", "J46"):
                cell = (band(int(row["age"])), year)
                counts[cell] = counts.get(cell, 0) + 1
    with open("cells.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["age_band", "year", "admissions"])
        for low, _ in BANDS:
            for year in sorted(years):
                writer.writerow([band(low), year, counts.get((band(low), year), 0)])


main()
