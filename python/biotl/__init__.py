"""biotl: from a raw biosignal file to a model file that takes the raw signal."""


def __getattr__(name: str) -> str:
    # importlib.metadata costs more than the rest of the import, so the version is looked up when asked for
    if name == "__version__":
        from importlib.metadata import version

        return version("biotl")
    raise AttributeError(name)
