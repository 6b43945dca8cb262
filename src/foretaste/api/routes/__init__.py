"""Routes by theme. Handlers are thin: read, ask the engine, write."""
