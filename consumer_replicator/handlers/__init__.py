"""The function's entry points: parse, call, report. Powertools lives here and nowhere else."""
