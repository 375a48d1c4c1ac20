"""What goes wrong, as exceptions."""

from collections import namedtuple

Diagnostic = namedtuple("Diagnostic", "severity message file line column")


class Error(Exception):
    """A failure of a tool or a program. `code` is its exit code: 2 usage, 3 malformed
    input, 4 unsupported, 5 limit, 6 input/output, 7 file changed, 8 hardware, 70 a bug.
    `hint` is a command that works, or ""."""

    def __init__(self, message, code=70, hint=""):
        super().__init__(message, code, hint)
        self.message, self.code, self.hint = message, code, hint

    def __str__(self):
        return self.message + (f"\nhint: {self.hint}" if self.hint else "")


class DiagnosticError(Error):
    """IR that does not parse or verify, or a pass that failed. `diagnostics`: what MLIR
    said, each with severity, message, file, line and column (0 where it has none)."""

    def __init__(self, message, diagnostics=()):
        super().__init__(message, 3)
        self.args = (message, diagnostics)
        self.diagnostics = [Diagnostic(*row) for row in diagnostics]

    def __str__(self):
        lines = [f"{d.file}:{d.line}:{d.column}: {d.severity}: {d.message}" for d in self.diagnostics]
        return "\n".join([self.message, *lines])
