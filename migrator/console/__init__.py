"""How things look: tables, live progress and errors for people, and the same facts as JSON lines for programs."""
