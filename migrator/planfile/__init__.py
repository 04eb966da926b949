"""From the YAML that people write to a Plan, with file, line and column in every complaint."""
