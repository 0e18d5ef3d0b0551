"""The engine. Knows no terminal, no process, and no folder layout beyond what it is handed."""
