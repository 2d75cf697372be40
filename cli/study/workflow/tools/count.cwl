cwlVersion: v1.2
class: CommandLineTool
label: Count admissions in each cell of the table
baseCommand: [python3]
inputs:
  script:
    type: File
    default:
      class: File
      location: ../scripts/count.py
    inputBinding: {position: 1}
  admissions:
    type: File
    inputBinding: {position: 2}
outputs:
  cells:
    type: File
    outputBinding: {glob: cells.csv}
