"""exit_code.py CODE COMMAND …: succeeds if the command exits with CODE and prints one
line of error (a hint may follow)."""
import subprocess
import sys

code, command = int(sys.argv[1]), sys.argv[2:]
run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
print(run.stdout, run.stderr, sep="", end="")
errors = [line for line in run.stderr.splitlines() if not line.startswith("hint: ")]
if run.returncode != code or len(errors) != 1:
    sys.exit(f"exit code {run.returncode}, {len(errors)} lines of error; expected {code} and 1")
