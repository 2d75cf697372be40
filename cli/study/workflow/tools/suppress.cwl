cwlVersion: v1.2
class: CommandLineTool
label: Mask small counts and write the tables
baseCommand: [python3]
inputs:
  script:
    type: File
    default:
      class: File
      location: ../scripts/suppress.py
    inputBinding: {position: 1}
  cells:
    type: File
    inputBinding: {position: 2}
  threshold:
    type: int
    inputBinding: {position: 3}
outputs:
  counts:
    type: File
    outputBinding: {glob: counts.csv}
  summary:
    type: File
    outputBinding: {glob: summary.json}
