"""The preflight rules, a module each: from facts to findings. They decide and never act; `steps` gathers the facts."""
