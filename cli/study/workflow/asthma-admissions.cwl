cwlVersion: v1.2
class: Workflow
label: Emergency asthma admissions by age band and year
doc: >-
  Counts emergency hospital admissions for asthma (ICD-10 J45 and J46) by age band and calendar year, and masks counts
  from one up to, but not including, a threshold. Fictional demonstration data only.

inputs:
  admissions:
    type: File
    doc: CSV with the columns person, age, sex, admitted, method, diagnosis
  threshold:
    type: int
    doc: Smallest count that is shown; 0 shows every count

outputs:
  counts:
    type: File
    outputSource: suppress/counts
  summary:
    type: File
    outputSource: suppress/summary

steps:
  count:
    run: tools/count.cwl
    in:
      admissions: admissions
    out: [cells]
  suppress:
    run: tools/suppress.cwl
    in:
      cells: count/cells
      threshold: threshold
    out: [counts, summary]
